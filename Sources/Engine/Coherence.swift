import SamovarCore

/// Keeps this process's memory in step with the second cache. Drives `Tracking`, `Suspects` and `GenerationBook`.
///
///     a name changed ──▶ is it here? ──▶ suspect ──▶ a small look ──▶ the same value: stays   else: removed
///     connection back ─▶ all that was checked before is looked at before it is used
///     a generation ────▶ flights of the scope: kept by nobody   ──▶ entries of the scope: removed
///
/// An answer carries the generations it was made under, and whoever reads one compares. So one whose call began before
/// an invalidation is never served by a process that has learned of it, wherever and whenever it is stored.
final class Coherence: Sendable {
    private struct State {
        var tracking: Tracking
        var suspects = Suspects()
        var book = GenerationBook()
        /// Scopes whose generation is to be asked for.
        var askable: Set<Scope> = []
    }

    /// How often generations are asked for while changes are not heard of.
    static let pollInterval = Duration.seconds(3)
    /// How many are asked for in one round trip.
    private static let askCountMax = 256

    private let l1: MemoryCache
    private let flights: Flights
    private let store: (any CoherentStore)?
    private let clock: any MonotonicClock
    private let metrics: Metrics
    private let state: Lock<State>
    private let (suspectWakes, suspectWake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    private let (scopeWakes, scopeWake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    init(
        l1: MemoryCache, flights: Flights, store: (any CoherentStore)?, onLoss: Tracking.OnLoss,
        clock: any MonotonicClock, metrics: Metrics
    ) {
        self.l1 = l1
        self.flights = flights
        self.store = store
        self.clock = clock
        self.metrics = metrics
        state = Lock(State(tracking: Tracking(onLoss, at: clock.now)))
    }

    /// Nil without a store that tells of changes.
    var tracking: Tracking.Phase? { store == nil ? nil : state.withLock { $0.tracking.phase } }

    /// What began before may have missed a change.
    var trustedSince: Instant { state.withLock { $0.tracking.trustedSince } }

    /// Listens and looks until it is cancelled. Returns at once without a store that tells of changes.
    func run() async {
        guard let store else { return }
        store.listen { [weak self] in self?.heard($0) }
        await withDiscardingTaskGroup { working in
            working.addTask { await self.look() }
            working.addTask { await self.askOnRequest() }
            working.addTask { await self.poll() }
        }
    }

    // MARK: News

    func heard(_ news: StoreNews) {
        let now = clock.now
        switch news {
        case .connected:
            turn { $0.connected(at: now) }
            askForAll()
        case .lost: turn { $0.lost(at: now) }
        case .refused: turn { $0.refused(at: now) }
        case .changed(let names): for name in names where l1.hear(name, at: now) { suspect(name) }
        case .allChanged:
            turn { $0.forget(at: now) }
            askForAll()
        case .purged(let name): purged(name, at: now)
        case .generation(let scope): ask(for: [scope])
        case .writes(let key, let identity): l1.identify(key, as: identity)
        }
    }

    private func turn(_ change: (inout Tracking) -> Void) {
        let trustedSince = state.withLock { state in
            change(&state.tracking)
            // What may be used is looked at when it is wanted.
            if state.tracking.trustedSince > .zero { state.suspects.removeAll() }
            return state.tracking.trustedSince
        }
        l1.trust(since: trustedSince)
    }

    private func purged(_ name: UInt64, at now: Instant) {
        // Flights first: they would keep what they bring. A look that is under way is looked at when it comes.
        flights.invalidate { $0.request.sharing == .stored && self.l1.naming?($0.request.key) == name }
        if l1.hear(name, at: now), let entry = l1.entry(named: name) { l1.remove(entry.key) }
    }

    // MARK: Suspects

    /// Something was heard of this entry.
    func suspect(_ name: UInt64) {
        let now = clock.now
        switch state.withLock({ $0.suspects.add(name, at: now) }) {
        case .none: break
        case .wake: suspectWake.yield()
        case .overflow: turn { $0.forget(at: now) }
        }
    }

    private func look() async {
        for await _ in suspectWakes {
            while !Task.isCancelled {
                let due = state.withLock { $0.suspects.next }
                guard due < .never else { break }
                try? await clock.sleep(until: due)
                let batch = state.withLock { $0.suspects.take(at: clock.now) }
                if !batch.isEmpty { await look(at: batch) }
            }
        }
    }

    private func look(at names: [UInt64]) async {
        let suspects = names.compactMap { name in l1.entry(named: name).map { (name: name, key: $0.key) } }
        guard let store, !suspects.isEmpty else { return }
        let found = await store.identities(of: suspects.map(\.key))
        for (index, suspect) in suspects.enumerated() {
            // What is here is judged as it is now: it may have been replaced meanwhile.
            guard let here = l1.entry(named: suspect.name) else { continue }
            if let found, let identity = found[index], here.identity == identity {
                metrics.rechecks[.kept].add(1)
            } else {
                metrics.rechecks[found == nil ? .unanswered : .removed].add(1)
                l1.remove(here.key)
            }
        }
    }

    // MARK: Generations

    /// What a flight that begins now is made under. One round trip where a scope is new to this process.
    func generations(for request: Request) async -> Generations {
        let scopes = request.scopes
        switch state.withLock({ $0.book.note(scopes) }) {
        case .known(let generations): return generations
        case .ask(let missing, let hasForgotten):
            if hasForgotten { turn { $0.forget(at: clock.now) } }
            if let store {
                await ask(store, missing)
            } else {
                for scope in missing { _ = learn(scope, 0) }
            }
            return state.withLock { $0.book.generations(of: scopes) }
        }
    }

    /// Whether nothing is known against it.
    func allows(_ generations: Generations) -> Bool { state.withLock { $0.book.allows(generations) } }

    /// Makes all answers of the scope unusable that were begun before. Returns how many entries are gone from memory, and
    /// whether the second cache has been told; where it has not, it is when it is back, as long as this process lives.
    func invalidate(_ scope: Scope) async -> Pipeline.InvalidateAction {
        let scopes = [scope]
        let known = state.withLock { state in state.book.generations(of: scopes).marks[0].number }
        // Here first: what is gone is counted by who asked for it, and holds whatever the store says.
        let number = max(known + 1, UInt64(max(0, clock.wallNow.milliseconds)))
        var count = learn(scope, number).count
        guard let store else { return Pipeline.InvalidateAction(count: count, isShared: true) }
        guard let shared = await store.advance(scope, beyond: number) else {
            return Pipeline.InvalidateAction(count: count, isShared: false)
        }
        count += learn(scope, shared).count
        return Pipeline.InvalidateAction(count: count, isShared: true)
    }

    private func learn(_ scope: Scope, _ number: UInt64) -> (count: Int, raisesTo: UInt64?) {
        let action = state.withLock { $0.book.learned(scope, number) }
        guard let before = action.invalidatesBefore else { return (0, action.raisesTo) }
        // The book first, flights next, entries last: who notes what it is made under, or puts what it has into memory,
        // looks at the book afterwards.
        flights.invalidate { $0.generations.isBefore(before, of: scope.id) }
        let count = l1.removeAll { $0.generations.isBefore(before, of: scope.id) }
        return (count, action.raisesTo)
    }

    private func ask(for scopes: [Scope]) {
        guard !scopes.isEmpty else { return }
        state.withLock { $0.askable.formUnion(scopes) }
        scopeWake.yield()
    }

    private func askForAll() { ask(for: state.withLock { $0.book.scopes }) }

    private func askOnRequest() async {
        guard let store else { return }
        for await _ in scopeWakes {
            while !Task.isCancelled {
                let scopes = state.withLock { state in Array(state.askable.prefix(Self.askCountMax)) }
                guard !scopes.isEmpty else { break }
                state.withLock { $0.askable.subtract(scopes) }
                guard await ask(store, scopes) else {
                    // The poll tries again.
                    state.withLock { $0.askable.formUnion(scopes) }
                    break
                }
            }
        }
    }

    /// What is not heard is asked for.
    private func poll() async {
        while !Task.isCancelled {
            try? await clock.sleep(until: clock.now.advanced(by: Self.pollInterval))
            let (isConnected, isBehind) = state.withLock { ($0.tracking.isConnected, !$0.askable.isEmpty) }
            if !isConnected { askForAll() } else if isBehind { scopeWake.yield() }
        }
    }

    /// False: no answer. What is not known counts as none.
    @discardableResult
    private func ask(_ store: any CoherentStore, _ scopes: [Scope]) async -> Bool {
        guard let numbers = await store.generations(of: scopes) else { return false }
        for (scope, number) in zip(scopes, numbers) {
            if let known = learn(scope, number).raisesTo { await store.restore(scope, to: known) }
        }
        return true
    }
}

/// What became of an entry of which was heard that the second cache's copy has changed. The raw values are the metric's
/// label.
public enum RecheckOutcome: String, CaseIterable, Sendable {
    /// It was this very value that had been written.
    case kept
    case removed
    /// The second cache did not answer, so it was removed.
    case unanswered
}

/// What an operator made unusable. The raw values are the metric's label.
public enum InvalidationTarget: String, CaseIterable, Sendable {
    case key
    case tenant
    case namespace
    case model
}
