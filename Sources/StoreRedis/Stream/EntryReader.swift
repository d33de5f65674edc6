/// Reads fields one after the other; nil where what is left is too short.
struct EntryReader {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = Array(bytes)
    }

    var isAtEnd: Bool { index == bytes.count }

    mutating func number<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
        guard bytes.count - index >= Value.bitWidth / 8 else { return nil }
        defer { index += Value.bitWidth / 8 }
        return bytes.bigEndian(at: index, as: type)
    }

    /// Bytes behind their number.
    mutating func counted() -> [UInt8]? {
        guard let count = number(UInt32.self), bytes.count - index >= Int(count) else { return nil }
        defer { index += Int(count) }
        return Array(bytes[index..<index + Int(count)])
    }

    mutating func text() -> String? {
        counted().flatMap { String(validating: $0, as: UTF8.self) }
    }

    mutating func rest() -> [UInt8] {
        defer { index = bytes.count }
        return Array(bytes[index...])
    }
}
