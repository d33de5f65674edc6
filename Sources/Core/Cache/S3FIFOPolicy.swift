/// Three queues, first in, first out: a small one for newcomers, the main one, and the ghosts of those who left the
/// small one (S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023).
///
///                 asked for twice while it was there
///     newcomer ─▶ small (a tenth) ──────────────────▶ main (nine tenths) ◀─┐
///                   │ not so                            │      └───────────┘
///                   ▼                                   ▼       asked for since: once more, up to 3 times
///                 ghost: its hash only ──▶ main       gone
///                          comes back
///
/// What is asked for once passes through the small queue and pushes out nobody who is in use. A use writes two bits
/// into the entry's own node and moves nothing. Three things are said here that the paper leaves open: queues are
/// bounded by weight; there are never more ghosts than entries, so that light ghosts of a time gone by cannot outweigh
/// heavy entries; and who takes the place of an entry of the main queue is no newcomer.
///
/// O(1): `victim` may pass many, but each was brought there by an insertion, or stays for a use, at most 3 times.
/// A ghost costs 24 bytes of node and 16 to 32 of table.
public struct S3FIFOPolicy: EvictionPolicy, ~Copyable {
    public struct State: BitwiseCopyable, Sendable {
        /// In the queue that it stands in. Comes first: `LRUPolicy` finds it there.
        @usableFromInline var links: LRUPolicy.State
        /// Two bits of uses, one for the queue, the rest weight.
        @usableFromInline var bits: UInt64

        @inlinable
        init(links: LRUPolicy.State, weight: Int, isMain: Bool) {
            self.links = links
            bits = UInt64(weight) << 3 | (isMain ? 4 : 0)
        }

        @usableFromInline static var useCountMax: UInt64 { @inlinable get { 3 } }
        @usableFromInline var useCount: UInt64 { @inlinable get { bits & 3 } }
        @usableFromInline var isMain: Bool { @inlinable get { bits & 4 != 0 } }
        @usableFromInline var weight: Int { @inlinable get { Int(bits >> 3) } }
    }

    /// Who left the small queue, by the hash of its key. Two keys with one hash are one ghost, which harms nobody.
    @usableFromInline
    struct Ghost: CacheKey {
        @usableFromInline let cacheHash: UInt64

        @inlinable
        init(cacheHash: UInt64) { self.cacheHash = cacheHash }
    }

    /// An LRU that sees no use is a queue.
    @usableFromInline var small = LRUPolicy(weightMax: 0)
    @usableFromInline var main = LRUPolicy(weightMax: 0)
    @usableFromInline var ghosts: BoundedCache<Ghost, Void, LRUPolicy>
    @usableFromInline var smallWeight = 0
    @usableFromInline var mainWeight = 0
    @usableFromInline var entryCount = 0
    @usableFromInline let smallWeightMax: Int
    @usableFromInline let mainWeightMax: Int
    /// Whom `victim` has named last, until it is gone.
    @usableFromInline var named: Int32 = -1

    @inlinable
    public init(weightMax: Int) {
        smallWeightMax = max(1, weightMax / 10)
        mainWeightMax = max(0, weightMax - smallWeightMax)
        ghosts = BoundedCache(weightMax: mainWeightMax)
    }

    /// What its ghosts occupy, in bytes, used or not.
    public var byteCount: Int { ghosts.byteCount }

    @inlinable
    public mutating func inserted(
        at place: Int32, weight: Int, hash: UInt64, replacing former: State?, in states: PolicyStates<State>
    ) -> State {
        entryCount &+= 1
        let wasGhost = ghosts.remove(Ghost(cacheHash: hash)) != nil
        return pushed(place, weight: weight, isMain: wasGhost || former?.isMain == true, in: states)
    }

    @inlinable
    @inline(__always)
    public mutating func touched(_ place: Int32, in states: PolicyStates<State>) {
        guard states[place].useCount < State.useCountMax else { return }
        states[place].bits &+= 1
    }

    @inlinable
    public mutating func removed(from place: Int32, hash: UInt64, in states: PolicyStates<State>) {
        let state = states[place]
        unlink(place, in: states)
        entryCount &-= 1
        let isEvicted = named == place
        named = -1
        guard isEvicted, !state.isMain else { return }
        ghosts.set(Ghost(cacheHash: hash), (), weight: state.weight)
        while ghosts.count > max(1, entryCount) { ghosts.evict() }
    }

    @inlinable
    public mutating func victim(in states: PolicyStates<State>) -> Int32? {
        while let place = next(in: states) {
            let state = states[place]
            if state.isMain {
                if state.useCount == 0 { return name(place) }
                again(place, useCount: state.useCount &- 1, in: states)
            } else {
                if state.useCount < 2 { return name(place) }
                again(place, useCount: 0, in: states)
            }
        }
        return nil
    }

    /// Who is to be judged: the oldest of the main queue while that is too heavy, or the small one light.
    @inlinable
    mutating func next(in states: PolicyStates<State>) -> Int32? {
        let isMainNext = mainWeight > mainWeightMax || smallWeight < smallWeightMax
        let links = states.leading(LRUPolicy.State.self)
        return isMainNext
            ? main.victim(in: links) ?? small.victim(in: links) : small.victim(in: links) ?? main.victim(in: links)
    }

    @inlinable
    mutating func name(_ place: Int32) -> Int32 {
        named = place
        return place
    }

    /// It stays, and stands last in the main queue.
    @inlinable
    mutating func again(_ place: Int32, useCount: UInt64, in states: PolicyStates<State>) {
        let weight = states[place].weight
        unlink(place, in: states)
        states[place] = pushed(place, weight: weight, isMain: true, in: states)
        states[place].bits |= useCount
    }

    @inlinable
    mutating func pushed(_ place: Int32, weight: Int, isMain: Bool, in states: PolicyStates<State>) -> State {
        let lists = states.leading(LRUPolicy.State.self)
        if isMain {
            mainWeight &+= weight
            return State(links: main.pushed(place, in: lists), weight: weight, isMain: true)
        }
        smallWeight &+= weight
        return State(links: small.pushed(place, in: lists), weight: weight, isMain: false)
    }

    @inlinable
    mutating func unlink(_ place: Int32, in states: PolicyStates<State>) {
        let state = states[place]
        let lists = states.leading(LRUPolicy.State.self)
        if state.isMain {
            mainWeight &-= state.weight
            main.unlink(place, in: lists)
        } else {
            smallWeight &-= state.weight
            small.unlink(place, in: lists)
        }
    }
}
