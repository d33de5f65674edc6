/// What a `BoundedCache` can be asked for.
public protocol CacheKey: Equatable {
    /// 64 bits that are equal for equal keys and uniform over the keys in use: nothing mixes them further.
    ///
    /// The low 32 choose the place in the table; the high 32 are free for the owner, to choose among tables.
    var cacheHash: UInt64 { get }
}

extension RequestKey: CacheKey {
    /// A word of SHA-256. Keys with one place can be searched for, but each costs a paid call before it is stored.
    @inlinable
    public var cacheHash: UInt64 { words.0 }
}
