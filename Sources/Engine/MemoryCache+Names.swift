import SamovarCore

/// By which names the entries are known in the second cache. Drives `NameIndex`.
extension MemoryCache {
    /// A part of all names, with a lock of its own.
    struct Names: ~Copyable {
        static let groupCount = 16
        /// A power of two.
        private static let slotCount = 256

        var index = NameIndex()
        /// When something was last heard of names that fall into each slot. Names that share one make each other look
        /// changed, which costs a look.
        private var heardAt = [Instant](repeating: .init(nanoseconds: .min), count: slotCount)

        init() {}

        mutating func hear(_ name: UInt64, at now: Instant) { heardAt[Self.slot(of: name)] = now }

        /// Whether something was heard since.
        func hasHeard(of name: UInt64, since: Instant) -> Bool { heardAt[Self.slot(of: name)] >= since }

        private static func slot(of name: UInt64) -> Int { Int(name >> 32) & (slotCount - 1) }
    }

    private func group(of name: UInt64) -> UnsafeMutablePointer<Lock<Names>> {
        names[Int(name >> 60) & (names.count - 1)]
    }

    /// Under the shard's lock. Returns whether something was heard of it since then.
    func register(_ name: UInt64, _ key: RequestKey, _ identity: ValueIdentity?, since: Instant) -> Bool {
        group(of: name).pointee.withLock { names in
            names.index.insert(name, key, identity)
            return names.hasHeard(of: name, since: since)
        }
    }

    /// Under the shard's lock.
    func forget(_ kept: Kept) {
        guard naming != nil else { return }
        group(of: kept.name).pointee.withLock { $0.index.remove(kept.name) }
    }

    /// The second cache says that something has changed under this name. Returns whether there is an entry of that name
    /// here; one that comes later, from a look that began before, is told so when it comes.
    public func hear(_ name: UInt64, at now: Instant) -> Bool {
        group(of: name).pointee.withLock { names in
            names.hear(name, at: now)
            return names.index[name] != nil
        }
    }

    /// The entry of this name, if it is here.
    public func entry(named name: UInt64) -> NameIndex.Entry? {
        group(of: name).pointee.withLock { $0.index[name] }
    }

    /// This key's entry is about to be written to the second cache, as this value.
    public func identify(_ key: RequestKey, as identity: ValueIdentity) {
        guard let name = naming?(key) else { return }
        group(of: name).pointee.withLock { $0.index.identify(name, as: identity) }
    }

    /// How many names are known: as many as there are entries.
    var nameCount: Int {
        (0..<names.count).reduce(0) { $0 + names[$1].pointee.withLock { $0.index.count } }
    }
}
