// Raw bytes, because heads are read where they were received.

import Glibc

/// What of an HTTP reply's head a load wants to know.
struct ReplyHead: Hashable, Sendable {
    private(set) var status = 0
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    /// `Connection: close`.
    private(set) var closes = false
    /// `text/event-stream`.
    private(set) var isStream = false
    /// From `X-Cache`.
    private(set) var result = ReplyResult.unknown

    /// 100 to 199: the reply itself is still to come.
    var isInterim: Bool { (100..<200).contains(status) }

    init() {}

    /// How long the head is that begins here, blank line included; nil where that has not come.
    static func size(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        var at = start
        while at < bytes.count, let found = memchr(base + at, 0x0A, bytes.count - at) {
            at = UnsafeRawPointer(found) - base + 1
            guard bytes.count - at >= 2 else { return nil }
            if bytes[at] == 0x0D, bytes[at + 1] == 0x0A { return at + 2 - start }
        }
        return nil
    }

    /// - Parameter bytes: a whole head. Nil where the first line is no status line, or a length no number.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 14, Self.isSame(bytes, 0, "http/1.1 ") else { return nil }
        for index in 9..<12 {
            guard (0x30...0x39).contains(bytes[index]) else { return nil }
            status = status * 10 + Int(bytes[index] - 0x30)
        }
        var at = 12
        while let end = Self.lineEnd(bytes, from: at) {
            guard readField(bytes, from: at, to: end) else { return nil }
            at = end
        }
    }

    private static func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + start, 0x0A, bytes.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - base + 1
    }

    /// - Returns: false for a length that is no number.
    private mutating func readField(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Bool {
        guard end - start > 10 else { return true }
        switch bytes[start] | 0x20 {
        case UInt8(ascii: "c"):
            if let value = Self.value(bytes, start, end, "content-length:") {
                guard let length = Self.number(bytes, value) else { return false }
                contentLength = length
            } else if let value = Self.value(bytes, start, end, "connection:") {
                closes = Self.isSame(bytes, value.lowerBound, "close")
            } else if let value = Self.value(bytes, start, end, "content-type:") {
                isStream = Self.isSame(bytes, value.lowerBound, "text/event-stream")
            }
        case UInt8(ascii: "t"):
            if let value = Self.value(bytes, start, end, "transfer-encoding:") {
                isChunked = Self.isSame(bytes, value.lowerBound, "chunked")
            }
        case UInt8(ascii: "x"):
            if let value = Self.value(bytes, start, end, "x-cache:") {
                let word = String(decoding: bytes[value], as: UTF8.self).lowercased()
                result = ReplyResult(rawValue: word) ?? .unknown
            }
        default: break
        }
        return true
    }

    /// Where a field's value stands, without blanks at its ends; nil where the line is another field.
    private static func value(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, _ name: StaticString
    ) -> Range<Int>? {
        guard isSame(bytes, start, name) else { return nil }
        var (low, high) = (start + name.utf8CodeUnitCount, end)
        while low < high, bytes[low] == 0x20 || bytes[low] == 0x09 { low += 1 }
        while high > low, bytes[high - 1] <= 0x20 { high -= 1 }
        return low..<high
    }

    /// Whether this text in lower case stands there, in any case.
    private static func isSame(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ text: StaticString) -> Bool {
        guard bytes.count - start >= text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { text in
            for index in 0..<text.count {
                let byte = bytes[start + index]
                let lower = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
                if lower != text[index] { return false }
            }
            return true
        }
    }

    /// At most fifteen digits.
    private static func number(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        guard (1...15).contains(range.count) else { return nil }
        var number = 0
        for byte in bytes[range] {
            guard (0x30...0x39).contains(byte) else { return nil }
            number = number * 10 + Int(byte - 0x30)
        }
        return number
    }
}
