import Glibc

/// A redis-server of the test's own, on a port of its own, keeping nothing on disk.
final class Redis: Sendable {
    static let isInstalled = Program.installed("redis-server") != nil
    static let skipped = "redis-server is not installed"

    let process: ChildProcess
    let address: SocketAddress

    init(environment: [String: String] = [:]) throws {
        guard let path = Program.installed("redis-server") else { throw HarnessError.odd(Self.skipped) }
        // It has no way to say which port it took: one that was free a moment ago, and the next one if that was lost.
        for _ in 0..<5 {
            let address = try ListeningSocket().address
            let port = String(address.description.split(separator: ":")[1])
            let process = try ChildProcess(
                path, ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"],
                environment: environment)
            let isUp = eventually {
                process.output.contains("Ready to accept connections") || process.hasEnded() != nil
            }
            if isUp, process.hasEnded() == nil {
                self.process = process
                self.address = address
                return
            }
        }
        throw HarnessError.odd("redis-server did not start")
    }

    var url: String { "redis://\(address)/0" }

    /// Sends one command and returns the raw reply, for commands whose reply comes in one piece.
    func command(_ words: String...) throws -> String {
        let connection = try RawConnection(to: address)
        let text = words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        connection.send("*\(words.count)\r\n\(text)")
        _ = connection.reads { $0.received.contains(0x0A) }
        return String(decoding: connection.received, as: UTF8.self)
    }

    /// The one name that begins like this, without that; nil unless there is exactly one.
    func tag(of prefix: String) throws -> String? {
        let lines = try command("KEYS", "\(prefix)*").split(separator: "\r\n")
        guard lines.count == 3, lines[0] == "*1" else { return nil }
        return String(lines[2].dropFirst(prefix.utf8.count))
    }

    /// How many answers it keeps: a lease is there before the first of them.
    func answerCount() throws -> Int {
        Int(try command("KEYS", "samovar:c:*").dropFirst().prefix { $0.isNumber }) ?? -1
    }
}
