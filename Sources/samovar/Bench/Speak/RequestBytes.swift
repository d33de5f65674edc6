/// Requests laid out before the load begins: sending one is a copy, and a number overwritten in it.
struct RequestBytes: Sendable {
    private let bytes: [UInt8]
    private let starts: [Int]
    /// Where a key's sixteen digits stand, where one text serves all keys.
    private let numberAt: Int?

    /// One text for each key.
    init(_ texts: [[UInt8]]) {
        var starts = [0]
        starts.reserveCapacity(texts.count + 1)
        for text in texts { starts.append(starts[starts.count - 1] + text.count) }
        self.starts = starts
        bytes = Array(texts.joined())
        numberAt = nil
    }

    /// One text for all keys.
    init(_ text: [UInt8], numberAt: Int) {
        precondition(numberAt + 16 <= text.count, "the number stands in the text")
        bytes = text
        starts = [0, text.count]
        self.numberAt = numberAt
    }

    /// Appends a key's request, and returns where it begins in the output. O(bytes).
    func append(_ key: UInt64, to output: inout [UInt8]) -> Int {
        let start = output.count
        guard let numberAt else {
            output += bytes[starts[Int(key)]..<starts[Int(key) + 1]]
            return start
        }
        output += bytes
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: key >> UInt64(60 - 4 * index)) & 15
            output[start + numberAt + index] = digit + (digit < 10 ? 0x30 : 0x57)
        }
        return start
    }

    /// Overwrites bytes of the output with some of a key's request.
    ///
    /// - Precondition: each key has a text of its own, and both places are there.
    func copy(_ key: UInt64, _ offset: Int, _ count: Int, to output: inout [UInt8], at place: Int) {
        let start = starts[Int(key)] + offset
        for index in 0..<count { output[place + index] = bytes[start + index] }
    }
}
