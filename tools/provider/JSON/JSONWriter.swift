import NIOCore

/// Writes JSON text piece by piece.
///
/// Nothing checks that the pieces make a document: the shapes of the answers are fixed, and written by hand.
struct JSONWriter {
    private var written: [UInt8] = []

    init(capacity: Int = 256) {
        written.reserveCapacity(capacity)
    }

    var byteCount: Int { written.count }

    /// What was written, for the socket. O(bytes).
    var bytes: ByteBuffer { ByteBuffer(bytes: written) }

    /// Text that is JSON already.
    mutating func raw(_ text: String) {
        written.append(contentsOf: text.utf8)
    }

    mutating func number(_ number: Int) {
        if (0...9).contains(number) {
            written.append(UInt8(ascii: "0") + UInt8(number))
        } else {
            raw(String(number))
        }
    }

    mutating func quoted(_ text: String) {
        raw("\"")
        if text.utf8.contains(where: Self.needsEscape) { escape(text) } else { raw(text) }
        raw("\"")
    }

    mutating func value(_ value: JSON) {
        switch value {
        case .null: raw("null")
        case .bool(let bool): raw(bool ? "true" : "false")
        case .number(let number): raw(Int(exactly: number).map(String.init) ?? "\(number)")
        case .string(let string): quoted(string)
        case .array(let elements):
            raw("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { raw(",") }
                self.value(element)
            }
            raw("]")
        case .object(let members):
            raw("{")
            for (index, member) in members.enumerated() {
                if index > 0 { raw(",") }
                quoted(member.name)
                raw(":")
                self.value(member.value)
            }
            raw("}")
        }
    }

    private mutating func escape(_ text: String) {
        for byte in text.utf8 {
            if !Self.needsEscape(byte) {
                written.append(byte)
            } else if byte >= 0x20 {
                written.append(UInt8(ascii: "\\"))
                written.append(byte)
            } else {
                raw(byte < 0x10 ? "\\u000" : "\\u00")
                raw(String(byte, radix: 16))
            }
        }
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }
}
