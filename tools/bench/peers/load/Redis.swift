// Unsafe pointers, because requests are written into, and replies read from, the loop's own two buffers.

/// Redis's protocol, RESP2: a pipeline of GETs for a batch.
struct RedisGet: Dialect {
    private let commands: Pieces
    private let expected: Expectations

    init(_ entries: Entries) {
        commands = Pieces((0..<entries.count).map { RESP.command(Array("GET".utf8), entries.rivalKey($0)) })
        expected = Expectations(entries)
    }

    func byteMax(_ count: Int) -> Int { count * commands.byteMax }

    @inline(__always)
    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        var at = 0
        for index in 0..<batch.count { at &+= commands.copy(batch.keys[index], to: room + at) }
        return at
    }

    @inline(__always)
    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int {
        var at = 0
        while bytes.count &- at >= 5, batch.answered < batch.count {
            guard bytes[at] == UInt8(ascii: "$") else { throw Fault(bytes.from(at).text) }
            if bytes[at &+ 1] == UInt8(ascii: "-") {
                outcome.err("a key is not there")
                batch.answered &+= 1
                at &+= 5
                continue
            }
            guard let size = bytes.number(at: at &+ 1) else { return at }
            let end = size.end &+ size.value &+ 2
            guard end <= bytes.count else { return at }
            let value = bytes.slice(size.end, size.value)
            if !expected.areMet(batch.keys[batch.answered], by: value) { outcome.err("wrong value: \(value.text)") }
            batch.answered &+= 1
            at = end
        }
        return at
    }
}

/// Stores the values.
struct RedisSet: Dialect {
    private let commands: Pieces

    init(_ entries: Entries) {
        commands = Pieces(
            (0..<entries.count).map { RESP.command(Array("SET".utf8), entries.rivalKey($0), entries.value($0)) })
    }

    func byteMax(_ count: Int) -> Int { count * commands.byteMax }

    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        (0..<batch.count).reduce(0) { $0 + commands.copy(batch.keys[$1], to: room + $0) }
    }

    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int {
        try batch.acknowledge(bytes, "+OK\r\n")
    }
}

private enum RESP {
    static func command(_ words: [UInt8]...) -> [UInt8] {
        words.reduce(Array("*\(words.count)\r\n".utf8)) { command, word in
            command + Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8)
        }
    }
}
