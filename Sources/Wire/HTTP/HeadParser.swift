/// Reads the head of a request: request line, field lines, empty line (RFC 9112, 2 to 5).
///
/// Strict, because whoever reads a request differently from us reads another request (request smuggling): lines end
/// with CR LF and nothing else, no folded lines, no white space before a colon, no control characters, and a
/// version that is 1.0 or 1.1. One empty line before the request line is passed over, as RFC 9112, 2.2 asks.
/// Incremental: told of more bytes, it goes on where it stopped. O(bytes).
public struct HeadParser: Sendable {
    public struct Limits: Hashable, Sendable {
        /// `header_size_max`: of the whole head, in bytes.
        public var headerSizeMax: Int
        /// `header_count_max`
        public var headerCountMax: Int

        public init(headerSizeMax: Int = 16 << 10, headerCountMax: Int = 100) {
            self.headerSizeMax = headerSizeMax
            self.headerCountMax = headerCountMax
        }
    }

    public enum Fault: Error, Hashable, Sendable {
        case notHTTP
        case method
        case version
        case tooLarge
        case tooMany
    }

    private let limits: Limits
    /// How far line ends have been looked for.
    private var scanned = 0
    private var lineStart = 0
    private var hasPassedOver = false
    /// What the lines so far have said; nil before the request line.
    private var fields: HeadFields?

    public init(limits: Limits) {
        self.limits = limits
    }

    /// Reads on: the head, once it is whole; nil until then. Ready for the next one afterwards.
    ///
    /// - Parameters:
    ///   - bytes: all bytes since the last call that gave a head; places count from `start`.
    public mutating func parse(_ bytes: Span<UInt8>, from start: Int) throws(Fault) -> HeadFields? {
        while let end = Self.lineFeed(bytes, from: start + scanned) {
            let next = end - start + 1
            scanned = next
            guard scanned <= limits.headerSizeMax else { throw .tooLarge }
            guard end > start + lineStart, bytes[end - 1] == 0x0D else { throw .notHTTP }
            let isEmpty = next - lineStart == 2
            if isEmpty, var whole = fields.take() {
                whole.byteCount = next
                reset()
                return whole
            }
            try line(bytes, start, isEmpty: isEmpty)
            lineStart = next
        }
        scanned = bytes.count - start
        guard scanned <= limits.headerSizeMax else { throw .tooLarge }
        // What cannot become a request line is told so at once, not when its time is up.
        if fields == nil { try checkBeginning(bytes, start + lineStart) }
        return nil
    }

    /// The empty line that was passed over, once nothing else is there: those bytes need not be kept.
    mutating func takePassedOver(_ bytes: Span<UInt8>, from start: Int) -> Int {
        guard hasPassedOver, fields == nil, lineStart > 0, bytes.count - start == lineStart else { return 0 }
        defer {
            scanned = 0
            lineStart = 0
        }
        return lineStart
    }

    private mutating func reset() {
        scanned = 0
        lineStart = 0
        hasPassedOver = false
    }

    // MARK: Lines

    private mutating func line(_ bytes: Span<UInt8>, _ start: Int, isEmpty: Bool) throws(Fault) {
        guard fields == nil else { return try fieldLine(bytes, start, from: start + lineStart) }
        guard isEmpty else { return try requestLine(bytes, start, from: start + lineStart) }
        guard !hasPassedOver else { throw .notHTTP }
        hasPassedOver = true
    }

    /// `method SP target SP version CR LF`
    private mutating func requestLine(_ bytes: Span<UInt8>, _ start: Int, from first: Int) throws(Fault) {
        var fields = HeadFields()
        var index = first
        while bytes[index].isTokenByte { index += 1 }
        guard index > first, index - first <= 20, bytes[index] == 0x20 else { throw .notHTTP }
        fields.method = .init(start: Int32(first - start), count: Int32(index - first))
        guard Self.isKnownMethod(bytes, first..<index) else { throw .method }
        index += 1
        let target = index
        while bytes[index] > 0x20, bytes[index] < 0x7F { index += 1 }
        guard index > target, bytes[index] == 0x20 else { throw .notHTTP }
        fields.target = .init(start: Int32(target - start), count: Int32(index - target))
        index += 1
        // "HTTP/1." digit CR LF
        for (offset, byte) in [UInt8](arrayLiteral: 0x48, 0x54, 0x54, 0x50, 0x2F).enumerated() {
            guard bytes[index + offset] == byte else { throw .notHTTP }
        }
        // One after the other: the first that is missing is seen at the line's end, and behind that may be nothing.
        guard bytes[index + 5].isDigitByte, bytes[index + 6] == 0x2E, bytes[index + 7].isDigitByte,
            bytes[index + 8] == 0x0D, bytes[index + 9] == 0x0A
        else { throw .notHTTP }
        let (major, minor) = (bytes[index + 5], bytes[index + 7])
        guard major == 0x31, minor <= 0x31 else { throw .version }
        fields.isHTTP11 = minor == 0x31
        fields.linesStart = index + 10 - start
        self.fields = fields
    }

    /// `name ":" OWS value OWS CR LF`
    private mutating func fieldLine(_ bytes: Span<UInt8>, _ start: Int, from first: Int) throws(Fault) {
        fields?.count += 1
        guard let count = fields?.count, count <= limits.headerCountMax else { throw .tooMany }
        var index = first
        while bytes[index].isTokenByte { index += 1 }
        guard index > first, bytes[index] == 0x3A else { throw .notHTTP }
        let name = first..<index
        index += 1
        let blank = index
        while bytes[index].isBlank { index += 1 }
        let value = index
        index = try Self.valueEnd(bytes, from: index)
        guard bytes[index + 1] == 0x0A else { throw .notHTTP }
        var last = index
        while last > value, bytes[last - 1].isBlank { last -= 1 }
        if let known = HeadFields.Name(bytes, name) {
            guard !known.isStrict || !Self.hasTab(bytes, blank..<value, last..<index) else { throw .notHTTP }
            fields?.note(known, at: .init(start: Int32(value - start), count: Int32(last - value)))
        }
    }

    /// Those of HTTP/1.1 that anybody uses for an API. CONNECT and TRACE are for others.
    private static func isKnownMethod(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        func isSame(_ text: StaticString) -> Bool {
            guard text.utf8CodeUnitCount == range.count else { return false }
            return text.withUTF8Buffer { text in
                for offset in 0..<text.count where bytes[range.lowerBound + offset] != text[offset] { return false }
                return true
            }
        }
        return isSame("POST") || isSame("GET") || isSame("HEAD") || isSame("PUT") || isSame("PATCH")
            || isSame("DELETE") || isSame("OPTIONS")
    }

    private static func hasTab(_ bytes: Span<UInt8>, _ before: Range<Int>, _ behind: Range<Int>) -> Bool {
        for index in before where bytes[index] == 0x09 { return true }
        for index in behind where bytes[index] == 0x09 { return true }
        return false
    }

    /// The carriage return that ends a value. There is one: the line has been found whole.
    private static func valueEnd(_ bytes: Span<UInt8>, from first: Int) throws(Fault) -> Int {
        var index = first
        let raw = bytes.bytes
        // Eight at a time while none of them is a control character: below 0x20 or 0x7F. (Mycroft 1987; the test
        // may see one too many beside a true one, which the byte loop then tells apart.)
        while index + 8 <= bytes.count {
            let word = raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let low = (word &- 0x2020_2020_2020_2020) & ~word
            let delete = word ^ 0x7F7F_7F7F_7F7F_7F7F
            guard (low | ((delete &- 0x0101_0101_0101_0101) & ~delete)) & 0x8080_8080_8080_8080 == 0 else { break }
            index += 8
        }
        while true {
            let byte = bytes[index]
            if byte >= 0x20, byte != 0x7F {
                index += 1
            } else if byte == 0x09 {
                index += 1
            } else if byte == 0x0D {
                return index
            } else {
                throw .notHTTP
            }
        }
    }

    /// A method begins with a letter: a TLS hello, a binary protocol and the like are seen by their first byte.
    private func checkBeginning(_ bytes: Span<UInt8>, _ first: Int) throws(Fault) {
        var index = first
        while index < bytes.count, index - first <= 20 {
            let byte = bytes[index]
            if byte == 0x20, index > first { return }
            if byte == 0x0D, index == first, !hasPassedOver { return }
            guard byte.isTokenByte, index - first < 20 else { throw .notHTTP }
            index += 1
        }
    }

    private static func lineFeed(_ bytes: Span<UInt8>, from first: Int) -> Int? {
        var index = first
        let raw = bytes.bytes
        while index + 8 <= bytes.count {
            let word = raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self) ^ 0x0A0A_0A0A_0A0A_0A0A
            guard (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 == 0 else { break }
            index += 8
        }
        while index < bytes.count {
            if bytes[index] == 0x0A { return index }
            index += 1
        }
        return nil
    }
}

extension UInt8 {
    var isDigitByte: Bool { self &- 0x30 < 10 }
    var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// Whether it may stand in a method or a field name (RFC 9110, 5.6.2).
    var isTokenByte: Bool {
        // One bit for each of the 128 ASCII characters.
        self < 0x40
            ? UInt64(0x03FF_6CFA_0000_0000) & (1 << UInt64(self)) != 0
            : self < 0x80 && UInt64(0x57FF_FFFF_C7FF_FFFE) & (1 << UInt64(self & 0x3F)) != 0
    }
}
