import SamovarCore

/// What the engine needs from a second cache that tells of changes, so that memory follows it.
///
/// Every question is one round trip and returns within the store's own timeout; nil where there was no answer.
public protocol CoherentStore: Store {
    /// 64 bits of what the key's answer is called there.
    func name(of key: RequestKey) -> UInt64
    /// Begins to listen, and tells what it hears, from one place at a time, until the process ends.
    func listen(_ receive: @escaping @Sendable (StoreNews) -> Void)
    /// Which value is stored under each of these keys; nil: none.
    func identities(of keys: [RequestKey]) async -> [ValueIdentity?]?

    /// The generation of each of these scopes, 0 where it has none; changes of them are told from here on.
    func generations(of scopes: [Scope]) async -> [UInt64]?
    /// Begins a new generation, later than `known`. Returns it.
    func advance(_ scope: Scope, beyond known: UInt64) async -> UInt64?
    /// The store has forgotten: the generation is at least this.
    func restore(_ scope: Scope, to number: UInt64) async
}

/// What a store hears, and says of itself.
public enum StoreNews: Sendable {
    /// From now on every change is heard of.
    case connected
    /// Nothing is heard any more.
    case lost
    /// The server lets us hear of no changes.
    case refused
    /// Something was written or removed under these names, by whomever.
    case changed([UInt64])
    /// Everything may have.
    case allChanged
    /// Another process made the answer under this name unusable, and whatever is under way for it.
    case purged(UInt64)
    /// The scope's generation has changed.
    case generation(Scope)
    /// This process is about to write the key's answer, as this value.
    case writes(RequestKey, ValueIdentity)
}
