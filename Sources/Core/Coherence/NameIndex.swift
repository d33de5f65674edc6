/// Which of the entries in memory is meant when the shared cache says that something has changed: it says names, and
/// memory goes by keys.
///
/// A name is 64 bits of what an entry is called there. As large as the memory that it belongs to, whose owner puts in
/// and takes out what comes and goes. Everything O(1).
public struct NameIndex: Sendable {
    public struct Entry: Hashable, Sendable {
        public let key: RequestKey
        /// Which stored value the entry in memory is a copy of (`ValueIdentity`); nil: not known (yet).
        public fileprivate(set) var identity: ValueIdentity?
    }

    private var entries: [UInt64: Entry] = [:]

    public init() {}

    public var count: Int { entries.count }

    public subscript(name: UInt64) -> Entry? { entries[name] }

    /// An entry was put into memory, in place of what was there.
    public mutating func insert(_ name: UInt64, _ key: RequestKey, _ identity: ValueIdentity?) {
        entries[name] = Entry(key: key, identity: identity)
    }

    /// The entry in memory is written to the shared cache, as this value. Nothing where there is no such entry.
    public mutating func identify(_ name: UInt64, as identity: ValueIdentity) {
        entries[name]?.identity = identity
    }

    /// The entry is no longer in memory.
    public mutating func remove(_ name: UInt64) { entries[name] = nil }
}

/// Tells one stored value from another under the same name: 64 bits of a digest of how it begins.
public struct ValueIdentity: Hashable, Sendable {
    public let bits: UInt64

    public init(bits: UInt64) { self.bits = bits }
}
