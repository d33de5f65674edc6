import SamovarCore
import TestSupport

// Keys for tests: what a `BoundedCache` takes has to be hashed well already.

extension UInt64 {
    /// Every bit of the result depends on every bit of this number.
    var mixed: UInt64 {
        var generator = SeededGenerator(seed: self)
        return generator.next()
    }
}

extension Int: CacheKey {
    public var cacheHash: UInt64 { UInt64(bitPattern: Int64(self)).mixed }
}

extension String: CacheKey {
    public var cacheHash: UInt64 { utf8.reduce(0) { ($0 ^ UInt64($1)).mixed } }
}
