/// Names one attempt in the whole fleet: 128 random bits, made by the pod that wants to lead.
///
/// What a key's answer and its live chunks are bound to, so that nothing of one attempt is ever taken for another's.
public struct AttemptID: Hashable, Sendable {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static let byteCount = 16

    /// The 16 bytes, most significant first.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for word in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return bytes
    }

    /// What the same flight's next attempt is called: as good as random, because this one is.
    var next: AttemptID { AttemptID(high: high, low: low &+ 1) }

    /// All 32 hex digits: how it is written in a lease and in the name of a stream.
    public var hexadecimal: String { bytes.hexadecimal }
}

/// Names one process of the fleet, from its start to its end: 64 random bits.
public struct PodID: Hashable, Sendable {
    public let number: UInt64

    public init(_ number: UInt64) {
        self.number = number
    }
}
