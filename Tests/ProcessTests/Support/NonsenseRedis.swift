import Glibc
import Synchronization

/// A server that greets like Redis and then answers every command in good RESP and with nonsense: replies of the wrong
/// kind, leases and answers that it makes up, and what it was once given, under other names.
final class NonsenseRedis: Sendable {
    private enum Part {
        case number(Int)
        case bytes([UInt8])
        case nothing

        var spelled: [UInt8] {
            switch self {
            case .number(let number): Array(":\(number)\r\n".utf8)
            case .bytes(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
            case .nothing: Array("$-1\r\n".utf8)
            }
        }
    }

    private let listening: ListeningSocket
    private let memory: Mutex<(noise: SplitMix, seen: [[UInt8]])>
    private let served = Atomic(0)

    init(seed: UInt64) throws {
        memory = Mutex((SplitMix(state: seed), []))
        listening = try ListeningSocket()
        let (descriptor, weak) = (listening.descriptor, WeakServer(self))
        thread {
            while true {
                let caller = accept(descriptor, nil, nil)
                guard caller >= 0 else { return }
                _ = fcntl(caller, F_SETFD, FD_CLOEXEC)
                thread {
                    serve(caller, by: weak)
                    close(caller)
                }
            }
        }
    }

    deinit { shutdown(listening.descriptor, Int32(SHUT_RDWR)) }

    var url: String { "redis://\(listening.address)/0" }

    /// How many commands it has answered with nonsense.
    var servedCount: Int { served.load(ordering: .relaxed) }

    fileprivate func reply(to words: [[UInt8]]) -> [UInt8] {
        let names = words.prefix(2).map { String(decoding: $0, as: UTF8.self).uppercased() }
        if names == ["PING"] { return Array("+PONG\r\n".utf8) }
        if names == ["CLIENT", "SETNAME"] { return Array("+OK\r\n".utf8) }
        served.add(1, ordering: .relaxed)
        return memory.withLock { memory in
            for word in words where word.count > 40 && memory.seen.count < 500 { memory.seen.append(word) }
            let any = memory.seen.randomElement(using: &memory.noise) ?? [0x61]
            let replies = Self.leases(words, any) ?? Self.replies(any)
            return replies.randomElement(using: &memory.noise) ?? []
        }
    }

    /// Made up, where a script is called for an attempt: its name stands behind the keys.
    private static func leases(_ words: [[UInt8]], _ any: [UInt8]) -> [[UInt8]]? {
        guard words.count > 3, words[0].starts(with: "EVAL".utf8),
            let keyCount = Int(String(decoding: words[2], as: UTF8.self)), words.count > 3 + keyCount
        else { return nil }
        let attempt = words[3 + keyCount]
        let lease = attempt + Array(":0:00000000000000ff".utf8)
        return [
            array(.number(1), .bytes(attempt), .bytes(any), .number(5_000), .nothing),
            array(.number(2), .bytes(attempt), .bytes(any), .number(5_000), .bytes(lease)),
            array(.number(2), .bytes(attempt), .nothing, .number(-1), .bytes(lease)),
            array(.number(6), .bytes(attempt), .nothing, .number(-1), .nothing),
            array(.number(1), .nothing), Part.number(1).spelled, Part.number(2).spelled,
        ] + replies(any)
    }

    private static func replies(_ any: [UInt8]) -> [[UInt8]] {
        let plain = [":1\r\n", ":-7\r\n", "+OK\r\n", "$-1\r\n", "*0\r\n", "*-1\r\n", "-ERR because\r\n"]
        return plain.map { Array($0.utf8) } + [
            Part.bytes(any).spelled, Part.bytes(any.map { $0 ^ 1 }).spelled, Part.bytes(Array(any.prefix(64))).spelled,
            array(.number(9), .bytes(any), .number(1), .nothing),
        ]
    }

    private static func array(_ parts: Part...) -> [UInt8] {
        Array("*\(parts.count)\r\n".utf8) + parts.flatMap(\.spelled)
    }
}

/// The accepting thread must not keep the server alive.
private final class WeakServer: @unchecked Sendable {
    weak var server: NonsenseRedis?

    init(_ server: NonsenseRedis) { self.server = server }
}

/// Reads commands and answers each, until the caller goes.
private func serve(_ caller: Int32, by weak: WeakServer) {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        while let (words, count) = command(in: bytes) {
            bytes.removeFirst(count)
            guard let reply = weak.server?.reply(to: words) else { return }
            guard send(caller, reply, reply.count, Int32(MSG_NOSIGNAL)) == reply.count else { return }
        }
        let count = recv(caller, &piece, piece.count, 0)
        guard count > 0 else { return }
        bytes += piece[..<count]
    }
}

/// The first command, and how many bytes it takes; nil where it is not whole.
private func command(in bytes: [UInt8]) -> (words: [[UInt8]], count: Int)? {
    var at = 0
    func number() -> Int? {
        guard let end = bytes[at...].firstIndex(of: UInt8(ascii: "\r")), end + 1 < bytes.count else { return nil }
        defer { at = end + 2 }
        return Int(String(decoding: bytes[(at + 1)..<end], as: UTF8.self))
    }
    guard let count = number() else { return nil }
    var words: [[UInt8]] = []
    for _ in 0..<count {
        guard at < bytes.count, let size = number(), at + size + 2 <= bytes.count else { return nil }
        words.append(Array(bytes[at..<(at + size)]))
        at += size + 2
    }
    return (words, at)
}
