import Crypto
import Glibc

/// What is stored and asked for: for each key a body of 1 KiB, and a value that the key decides.
///
/// Values are the same for all servers: what a provider answers, padded to the size with text that does not compress.
struct Entries {
    let count: Int
    /// Bytes of a value; nil where the servers' own upstream makes them.
    let size: Int?
    let bodies: [[UInt8]]
    /// What is in the value, and in no other key's.
    let marks: [Mark]

    struct Mark {
        let head: [UInt8]
        let tail: [UInt8]
    }

    static let bodyByteCount = 1024
    static let markByteCount = 8
    private static let valueHead = Array(#"{"choices":[{"index":0,"finish_reason":"stop","message":{"content":""#.utf8)
    private static let valueTail = Array(#""}}]}"#.utf8)
    static let sizeMin = valueHead.count + 2 * markByteCount + valueTail.count

    init(count: Int, size: Int) {
        self.count = count
        self.size = size
        marks = (0..<count).map { key in
            var random = Generator(seed: UInt64(size) << 32 | UInt64(key))
            return Mark(head: Self.letters(&random), tail: Self.letters(&random))
        }
        bodies = marks.map { mark in
            let text = String(decoding: mark.head + mark.tail, as: UTF8.self)
            let head = #"{"model":"stand-in","messages":[{"role":"user","content":"\#(text) "#
            let tail = #""}],"temperature":0}"#
            let filler = Array("Which of the two would you rather meet at three in the morning, and why? ".utf8)
            let fillerCount = Self.bodyByteCount - head.utf8.count - tail.utf8.count
            return Array(head.utf8) + (0..<fillerCount).map { filler[$0 % filler.count] } + Array(tail.utf8)
        }
    }

    /// Reads them from a file: a line for each key, its body and its mark, with a tab between.
    init(file: String, count: Int) throws(Fault) {
        guard let text = Self.contents(file) else { throw Fault("--requests: cannot read \(file)") }
        let lines = text.split(separator: UInt8(ascii: "\n"), maxSplits: count).prefix(count)
        let fields = lines.map { $0.split(separator: UInt8(ascii: "\t")) }
        guard fields.count == count, fields.allSatisfy({ $0.count == 2 && $0[1].count >= Self.markByteCount }) else {
            throw Fault("\(file) does not have \(count) lines of a body and a mark")
        }
        self.count = count
        size = nil
        bodies = fields.map { Array($0[0]) }
        marks = fields.map { Mark(head: Array($0[1].prefix(Self.markByteCount)), tail: []) }
    }

    /// 32 bytes, as the rivals know an entry: half of the body's digest, in hexadecimal.
    func rivalKey(_ key: Int) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return digest(key).prefix(16).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    func digest(_ key: Int) -> [UInt8] { Array(SHA256.hash(data: bodies[key])) }

    func value(_ key: Int) -> [UInt8] {
        guard let size else { return [] }
        var random = Generator(seed: ~(UInt64(size) << 32 | UInt64(key)))
        var value = Self.valueHead + marks[key].head
        value.reserveCapacity(size)
        while value.count < size - Self.valueTail.count - Self.markByteCount { value += Self.letters(&random) }
        value.removeLast(value.count - (size - Self.valueTail.count - Self.markByteCount))
        return value + marks[key].tail + Self.valueTail
    }

    /// How each value is known again.
    var expectations: [Expectation] {
        marks.map { mark in
            guard let size else { return Expectation(anywhere: mark.head) }
            let tailAt = size - Self.valueTail.count - Self.markByteCount
            return Expectation(
                byteCount: size, head: mark.head, headAt: Self.valueHead.count, tail: mark.tail, tailAt: tailAt)
        }
    }

    /// Eight of 64 signs that JSON leaves as they are.
    private static func letters(_ random: inout Generator) -> [UInt8] {
        let signs = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .".utf8)
        var bits = random.next()
        return (0..<markByteCount).map { _ in
            defer { bits >>= 6 }
            return signs[Int(bits & 63)]
        }
    }

    private static func contents(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let got = fread(&chunk, 1, chunk.count, file)
            guard got > 0 else { return bytes }
            bytes += chunk[..<got]
        }
    }
}
