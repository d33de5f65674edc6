// Unsafe pointers, because requests are written into, and replies read from, the loop's own two buffers.

import Glibc

/// memcached's text protocol: one `get` for all keys of a batch, as its clients do it (doc/protocol.txt).
struct MemcachedGet: Dialect {
    /// With a blank before it.
    private let keys: Pieces
    private let expected: Expectations

    init(_ entries: Entries) {
        keys = Pieces((0..<entries.count).map { Array(" ".utf8) + entries.rivalKey($0) })
        expected = Expectations(entries)
    }

    func byteMax(_ count: Int) -> Int { 5 + count * keys.byteMax }

    @inline(__always)
    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        memcpy(room, "get", 3)
        var at = 3
        for index in 0..<batch.count { at &+= keys.copy(batch.keys[index], to: room + at) }
        memcpy(room + at, "\r\n", 2)
        return at &+ 2
    }

    /// `VALUE <key> <flags> <bytes>` and the bytes for each that is there, in the order of the keys, then `END`.
    @inline(__always)
    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int {
        let keyAt = 6
        var at = 0
        while bytes.count &- at >= 5 {
            if bytes[at] == UInt8(ascii: "E") {
                guard memcmp(bytes.baseAddress! + at, "END\r\n", 5) == 0 else { throw Fault(bytes.from(at).text) }
                for _ in batch.answered..<batch.count { outcome.err("a key is not there") }
                batch.answered = batch.count
                return at &+ 5
            }
            guard bytes[at] == UInt8(ascii: "V") else { throw Fault(bytes.from(at).text) }
            let sizeAt = at &+ keyAt &+ 32 &+ 3
            guard sizeAt < bytes.count, let size = bytes.number(at: sizeAt) else { return at }
            let end = size.end &+ size.value &+ 2
            guard end <= bytes.count else { return at }
            while batch.answered < batch.count,
                memcmp(bytes.baseAddress! + at + keyAt, keys.bytes(batch.keys[batch.answered]).baseAddress! + 1, 32)
                    != 0
            {
                outcome.err("a key is not there")
                batch.answered &+= 1
            }
            guard batch.answered < batch.count else { throw Fault("a key that was not asked for") }
            let value = bytes.slice(size.end, size.value)
            if !expected.areMet(batch.keys[batch.answered], by: value) { outcome.err("wrong value: \(value.text)") }
            batch.answered &+= 1
            at = end
        }
        return at
    }
}

/// Stores the values.
struct MemcachedSet: Dialect {
    private let commands: Pieces

    init(_ entries: Entries) {
        commands = Pieces(
            (0..<entries.count).map { key in
                let value = entries.value(key)
                let end = Array("\r\n".utf8)
                return Array("set ".utf8) + entries.rivalKey(key) + Array(" 0 0 \(value.count)".utf8) + end + value
                    + end
            })
    }

    func byteMax(_ count: Int) -> Int { count * commands.byteMax }

    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        (0..<batch.count).reduce(0) { $0 + commands.copy(batch.keys[$1], to: room + $0) }
    }

    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int {
        try batch.acknowledge(bytes, "STORED\r\n")
    }
}

extension Batch {
    /// Each request is answered with the same line.
    mutating func acknowledge(_ bytes: UnsafeRawBufferPointer, _ line: StaticString) throws(Fault) -> Int {
        var at = 0
        while bytes.count - at >= line.utf8CodeUnitCount, answered < count {
            guard memcmp(bytes.baseAddress! + at, line.utf8Start, line.utf8CodeUnitCount) == 0 else {
                throw Fault(bytes.from(at).text)
            }
            at += line.utf8CodeUnitCount
            answered += 1
        }
        return at
    }
}
