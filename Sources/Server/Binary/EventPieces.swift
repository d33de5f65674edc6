/// The events of a stream that is there as a whole: each with the blank line that ends it.
struct EventPieces: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// O(the event's bytes).
    mutating func next() -> ArraySlice<UInt8>? {
        guard index < bytes.count else { return nil }
        let start = index
        var lineIsEmpty = false
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if byte == 0x0D, index < bytes.count, bytes[index] == 0x0A { index += 1 }
            guard byte == 0x0D || byte == 0x0A else {
                lineIsEmpty = false
                continue
            }
            if lineIsEmpty { return bytes[start..<index] }
            lineIsEmpty = true
        }
        return bytes[start...]
    }
}
