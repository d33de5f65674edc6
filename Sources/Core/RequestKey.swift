/// What makes two requests the same: 256 bits of SHA-256, compared whole.
///
/// How it comes about: `RequestKey.init(tenant:route:kind:…)` in Key/KeyDerivation.swift.
public struct RequestKey: Hashable, Sendable {
    @usableFromInline let words: (UInt64, UInt64, UInt64, UInt64)

    /// The key made of these 32 bytes.
    ///
    /// - Precondition: `bytes.count == 32`.
    public init(bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a key has 32 bytes")
        func word(_ start: Int) -> UInt64 {
            var word: UInt64 = 0
            for index in start..<start + 8 { word = word << 8 | UInt64(bytes[index]) }
            return word
        }
        words = (word(0), word(8), word(16), word(24))
    }

    init(_ digest: Digest256) {
        words = digest.words
    }

    public static let byteCount = 32

    /// The 32 bytes, most significant first.
    public var bytes: [UInt8] {
        var bytes = [UInt8]()
        bytes.reserveCapacity(Self.byteCount)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return bytes
    }

    /// The first 8 hex digits: all of a key that a log line may show.
    public var prefix: String { String(hexadecimal.prefix(8)) }

    /// All 64 hex digits. Whoever knows a whole key can probe for it: shown only where an operator asks for it.
    public var hexadecimal: String { bytes.hexadecimal }

    @inlinable
    public static func == (left: RequestKey, right: RequestKey) -> Bool {
        left.words == right.words
    }

    public func hash(into hasher: inout Hasher) {
        // SHA-256 is uniform, so one word is enough; the process's own seed is mixed in by Hasher.
        hasher.combine(words.0)
    }
}

extension Sequence<UInt8> {
    /// Two lower-case hex digits a byte.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text = [UInt8]()
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
