// Unsafe memory: SHA-256 gives and takes raw bytes. They are copied word for word out of and into a value of 32 bytes.

import Crypto

/// 256 bits of SHA-256, compared whole. Trivial: four words, most significant first.
public struct Digest256: Hashable, Sendable {
    let words: (UInt64, UInt64, UInt64, UInt64)

    init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    init(_ digest: SHA256.Digest) {
        words = digest.withUnsafeBytes { bytes in
            func word(_ offset: Int) -> UInt64 {
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            return (word(0), word(8), word(16), word(24))
        }
    }

    /// A digest made elsewhere.
    ///
    /// - Precondition: `bytes.count == 32`.
    public init(bytes: [UInt8]) { self.init(bytes: bytes.span.bytes) }

    /// A digest made elsewhere, the first of its bytes most significant.
    ///
    /// - Precondition: `bytes.byteCount == 32`.
    public init(bytes: RawSpan) {
        precondition(bytes.byteCount == Self.byteCount, "a digest has 32 bytes")
        func word(_ start: Int) -> UInt64 {
            UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt64.self))
        }
        words = (word(0), word(8), word(16), word(24))
    }

    /// SHA-256 of these bytes.
    public init(of bytes: [UInt8]) {
        self.init(of: bytes.span)
    }

    /// SHA-256 of these bytes.
    public init(of bytes: Span<UInt8>) {
        var hasher = SHA256()
        bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) }
        self.init(hasher.finalize())
    }

    /// The 32 bytes, most significant first.
    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
    }

    static let byteCount = 32

    @inline(__always)
    public static func == (left: Digest256, right: Digest256) -> Bool { left.words == right.words }

    public func hash(into hasher: inout Hasher) {
        // SHA-256 is uniform, so one word is enough; the process's own seed is mixed in by Hasher.
        hasher.combine(words.0)
    }
}

extension SHA256 {
    mutating func update(_ digest: Digest256) {
        let words = digest.words
        let bytes = (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
        withUnsafeBytes(of: bytes) { update(bufferPointer: $0) }
    }
}
