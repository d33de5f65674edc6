// Unsafe pointers, because requests are written into, and replies read from, the loop's own two buffers.

/// What a server is asked in, and how its replies are read. Its methods are the hot path of the load.
protocol Dialect {
    /// The most that a batch of so many requests takes.
    func byteMax(_ count: Int) -> Int
    /// What is said once, on a connection that waits.
    func greet(_ descriptor: Int32) throws(Fault)
    /// Writes a batch's requests, and returns how many bytes they are.
    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int
    /// Writes those of a batch that have to be asked in another way.
    func writeAgain(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int
    /// Reads the replies that are whole, and counts them as answered.
    ///
    /// - Returns: how many bytes they were; the rest comes again, with more behind it.
    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int
}

extension Dialect {
    func greet(_ descriptor: Int32) throws(Fault) {}
    func writeAgain(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int { 0 }
}

/// The requests that one connection has sent at once.
struct Batch {
    let keys: UnsafeMutablePointer<UInt32>
    var count = 0
    var answered = 0
    /// A bit for each that is answered, where replies come in any order.
    var seen: UInt64 = 0
    /// A bit for each that has to be asked in another way.
    var again: UInt64 = 0

    static let countMax = 64

    init(capacity: Int) { keys = .allocate(capacity: capacity) }
}

extension UnsafeRawBufferPointer {
    /// What is from here on.
    @inline(__always)
    func from(_ offset: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[offset...]) }

    @inline(__always)
    func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<offset &+ count])
    }

    /// A decimal number that CR LF ends, and the offset behind it; nil where the end has not come.
    @inline(__always)
    func number(at offset: Int) -> (value: Int, end: Int)? {
        var (value, at) = (0, offset)
        while at < count {
            let byte = self[at]
            if byte == 0x0D { return at &+ 1 < count ? (value, at &+ 2) : nil }
            value = value &* 10 &+ Int(byte &- 0x30)
            at &+= 1
        }
        return nil
    }

    /// For messages.
    var text: String { String(decoding: prefix(120), as: UTF8.self) }
}
