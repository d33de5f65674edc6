// Raw bytes: a frame is written with one call for each 16 bytes of fixed part and one for each piece of payload, and
// a stored frame is overwritten in place. Pointers live no longer than the call that gets them.

import SamovarCore

/// Where frames are written: an array in tests and clients, a connection's own buffer on the hot path.
public protocol FrameOutput: ~Copyable {
    /// Appends these bytes.
    mutating func write(_ bytes: UnsafeRawBufferPointer)
}

extension [UInt8]: FrameOutput {
    @inlinable
    public mutating func write(_ bytes: UnsafeRawBufferPointer) { append(contentsOf: bytes) }
}

extension OutputBuffer: FrameOutput {
    @inlinable
    public mutating func write(_ bytes: UnsafeRawBufferPointer) { append(bytes) }
}

extension FrameOutput where Self: ~Copyable {
    @inlinable
    public mutating func write(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { write($0) }
    }

    @inlinable
    mutating func write(_ words: FixedPart) {
        var words = words.littleEndian
        withUnsafeBytes(of: &words) { write($0) }
    }

    mutating func write(_ integer: some FixedWidthInteger) {
        withUnsafeBytes(of: integer.littleEndian) { write($0) }
    }
}

/// Sixteen bytes as two words: the shape of a header and of every fixed part (Protocol.md §3.1).
@frozen
public struct FixedPart: Hashable, Sendable {
    public var low: UInt64
    public var high: UInt64

    public static let byteCount = 16

    @inlinable
    public init(_ low: UInt64, _ high: UInt64) {
        self.low = low
        self.high = high
    }

    @inlinable
    var littleEndian: FixedPart { FixedPart(low.littleEndian, high.littleEndian) }

    /// Reads the 16 bytes at an offset.
    ///
    /// - Precondition: they are there.
    @inlinable
    public init(_ bytes: RawSpan, at offset: Int) {
        low = bytes.word(at: offset)
        high = bytes.word(at: offset + 8)
    }

    /// Overwrites the 16 bytes at an offset.
    ///
    /// - Precondition: they are there.
    @inlinable
    public func store(to bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
        bytes.storeBytes(of: low.littleEndian, toByteOffset: offset, as: UInt64.self)
        bytes.storeBytes(of: high.littleEndian, toByteOffset: offset + 8, as: UInt64.self)
    }
}

extension RawSpan {
    /// Every pattern of bits is an integer, and the span checks its bounds: nothing here can go wrong unnoticed.
    @inlinable
    func word(at offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    func half(at offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    func quarter(at offset: Int) -> UInt16 {
        UInt16(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    func byte(at offset: Int) -> UInt8 {
        unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// A copy of these bytes.
    func array(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBytes { Array($0) }
    }
}
