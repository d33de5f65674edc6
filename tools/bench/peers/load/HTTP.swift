// Unsafe pointers, because requests are written into, and replies read from, the loop's own two buffers.

import Glibc

/// HTTP/1.1 on connections that are kept alive, one request of a connection after the other or pipelined.
struct HTTP: Dialect {
    private let requests: Pieces
    private let expected: Expectations

    init(_ entries: Entries, _ options: Options) {
        let path = options.path.split(separator: "{}", maxSplits: 1, omittingEmptySubsequences: false)
        requests = Pieces(
            (0..<entries.count).map { key in
                let target = path.joined(separator: "\(key)")
                var head = "\(options.method) \(target) HTTP/1.1\r\nHost: localhost\r\n"
                guard options.method != "GET" else { return Array("\(head)\r\n".utf8) }
                let body = entries.bodies[key]
                head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n"
                return Array(head.utf8) + body
            })
        expected = Expectations(entries)
    }

    func byteMax(_ count: Int) -> Int { count * requests.byteMax }

    @inline(__always)
    func write(_ batch: Batch, to room: UnsafeMutableRawPointer) -> Int {
        var at = 0
        for index in 0..<batch.count { at &+= requests.copy(batch.keys[index], to: room + at) }
        return at
    }

    @inline(__always)
    func read(
        _ bytes: UnsafeRawBufferPointer, _ batch: inout Batch, _ outcome: inout Outcome
    ) throws(Fault) -> Int {
        var at = 0
        while at < bytes.count, batch.answered < batch.count {
            let rest = bytes.from(at)
            guard let (bodyAt, contentLength) = Self.head(rest) else { return at }
            guard let size = contentLength else { throw Fault("no Content-Length: \(rest.text)") }
            let end = at &+ bodyAt &+ size
            guard end <= bytes.count else { return at }
            let key = batch.keys[batch.answered]
            if memcmp(rest.baseAddress!, "HTTP/1.1 200 ", 13) != 0 {
                outcome.err(rest.text)
            } else if !expected.areMet(key, by: rest.slice(bodyAt, size)) {
                outcome.err("wrong answer: \(rest.slice(bodyAt, size).text)")
            }
            batch.answered &+= 1
            at = end
        }
        return at
    }

    /// Reads lines up to the blank one; names of fields in any case.
    ///
    /// - Returns: where the body begins, and how long it is, if that is said; nil where the blank line has not come.
    @inline(__always)
    private static func head(_ bytes: UnsafeRawBufferPointer) -> (bodyAt: Int, contentLength: Int?)? {
        guard let start = bytes.baseAddress else { return nil }
        let name: StaticString = "content-length:"
        var contentLength: Int?
        var at = 0
        while let found = memchr(start + at, 0x0A, bytes.count &- at) {
            at = UnsafeRawPointer(found) - start + 1
            guard bytes.count &- at >= 2 else { return nil }
            if bytes[at] == 0x0D { return (at &+ 2, contentLength) }
            guard bytes[at] | 0x20 == UInt8(ascii: "c"), bytes.count &- at > name.utf8CodeUnitCount else { continue }
            let line = (start + at).assumingMemoryBound(to: CChar.self)
            let isIt = name.withUTF8Buffer { wanted in
                wanted.withMemoryRebound(to: CChar.self) { strncasecmp(line, $0.baseAddress!, wanted.count) == 0 }
            }
            guard isIt else { continue }
            var valueAt = at &+ name.utf8CodeUnitCount
            while valueAt < bytes.count, bytes[valueAt] == 0x20 { valueAt &+= 1 }
            contentLength = bytes.number(at: valueAt)?.value
        }
        return nil
    }
}
