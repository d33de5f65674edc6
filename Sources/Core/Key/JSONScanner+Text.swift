// Unsafe memory: the text of strings is most of a body. A word is read only where eight bytes are left before `end`,
// and written only where room for it was reserved.

extension JSONScanner {
    /// Goes to the next byte that is not a string's plain text, or to the end.
    mutating func skipPlainText() {
        // Locals, so that the loop runs in registers.
        let bytes = UnsafeRawBufferPointer(bytes)
        var index = index
        while end &- index >= 8 {
            let marks = JSONWords.notPlain(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian)
            guard marks == 0 else {
                self.index = index + JSONWords.first(marks)
                return
            }
            index &+= 8
        }
        while index < end, Self.isPlain(bytes[index]) { index += 1 }
        self.index = index
    }

    /// Copies a string's plain text up to the next byte that is none, or to the end.
    @inline(__always)
    mutating func copyPlainText(to output: inout Scratch) {
        // Whole words are written before it is known how much of them is text.
        output.reserve(end - index + 16)
        let bytes = UnsafeRawBufferPointer(bytes)
        let start = index
        let target = UnsafeMutableRawPointer(output.end)
        var index = start
        // Two words a step: most of what is read is long prose.
        while end &- index >= 16 {
            let one = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let two = bytes.loadUnaligned(fromByteOffset: index &+ 8, as: UInt64.self)
            target.storeBytes(of: one, toByteOffset: index &- start, as: UInt64.self)
            target.storeBytes(of: two, toByteOffset: index &- start &+ 8, as: UInt64.self)
            let marks = JSONWords.notPlain(one.littleEndian)
            if marks | JSONWords.notPlain(two.littleEndian) != 0 {
                if marks == 0 { index &+= 8 }
                index &+= JSONWords.first(marks == 0 ? JSONWords.notPlain(two.littleEndian) : marks)
                self.index = index
                return output.advance(index - start)
            }
            index &+= 16
        }
        while index < end, Self.isPlain(bytes[index]) {
            target.storeBytes(of: bytes[index], toByteOffset: index - start, as: UInt8.self)
            index += 1
        }
        self.index = index
        output.advance(index - start)
    }

    /// Writes an escape of one letter in its canonical spelling; false, and nothing done, where it is another one.
    ///
    /// Every line break of a prompt is one, so it is not taken apart and put together again.
    @inline(__always)
    mutating func copyShortEscape(to output: inout Scratch) -> Bool {
        guard end - index >= 2 else { return false }
        switch bytes[index + 1] {
        case UInt8(ascii: "n"): output.append(JSONWords.escapedControl(0x0A), count: 6)
        case UInt8(ascii: "\""): output.append(0x225C, count: 2)
        case UInt8(ascii: "\\"): output.append(0x5C5C, count: 2)
        case UInt8(ascii: "t"): output.append(JSONWords.escapedControl(0x09), count: 6)
        case UInt8(ascii: "r"): output.append(JSONWords.escapedControl(0x0D), count: 6)
        default: return false
        }
        index += 2
        return true
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte >= 0x20
    }
}
