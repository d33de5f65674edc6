import SamovarCore

/// The head of a request, as far as a front decides by it.
public struct RequestHead: Hashable, Sendable {
    public let method: String
    /// As sent, before any percent-decoding.
    public let target: String
    /// In the order in which they came; names are compared without case.
    public let headers: [(name: String, value: String)]
    /// HTTP/1.1; otherwise it is 1.0, which knows no chunks.
    public let isHTTP11: Bool

    public init(method: String, target: String, headers: [(name: String, value: String)], isHTTP11: Bool = true) {
        self.method = method
        self.target = target
        self.headers = headers
        self.isHTTP11 = isHTTP11
    }

    public func values(_ name: String) -> [String] {
        headers.filter { Self.isSame($0.name, name) }.map(\.value)
    }

    /// The value of a header, or nil; several of one name are joined as HTTP has it.
    public func value(_ name: String) -> String? {
        var found: String?
        for header in headers where Self.isSame(header.name, name) {
            found = found.map { "\($0), \(header.value)" } ?? header.value
        }
        return found
    }

    /// Lengths first: they tell most names apart for the price of a comparison.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        one.utf8.count == other.utf8.count && one.utf8.elementsEqualIgnoringCase(other.utf8)
    }

    public static func == (left: RequestHead, right: RequestHead) -> Bool {
        left.method == right.method && left.target == right.target
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(target)
    }
}

extension Sequence<UInt8> {
    fileprivate func elementsEqualIgnoringCase(_ other: some Sequence<UInt8>) -> Bool {
        elementsEqual(other) { left, right in
            left == right || (left | 0x20 == right | 0x20 && (0x61...0x7A).contains(left | 0x20))
        }
    }
}

extension RequestHead {
    /// Takes a head out of the bytes that it was read from.
    public init(_ fields: HeadFields, in bytes: Span<UInt8>, from start: Int) {
        func text(_ range: Range<Int>) -> String {
            bytes.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
        }
        func text(_ place: HeadFields.Place) -> String {
            text(start + place.range.lowerBound..<start + place.range.upperBound)
        }
        var headers: [(name: String, value: String)] = []
        headers.reserveCapacity(fields.count)
        var index = start + fields.linesStart
        for _ in 0..<fields.count {
            let name = index
            while bytes[index] != UInt8(ascii: ":") { index += 1 }
            let nameEnd = index
            index += 1
            while bytes[index].isBlank { index += 1 }
            let value = index
            while bytes[index] != 0x0D { index += 1 }
            var end = index
            while end > value, bytes[end - 1].isBlank { end -= 1 }
            headers.append((name: text(name..<nameEnd), value: text(value..<end)))
            index += 2
        }
        self.init(
            method: text(fields.method), target: text(fields.target), headers: headers, isHTTP11: fields.isHTTP11)
    }
}
