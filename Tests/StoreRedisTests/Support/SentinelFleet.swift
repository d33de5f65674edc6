import Glibc
import SamovarEngine

@testable import SamovarStoreRedis

/// A primary, a replica and three sentinels that watch over them.
final class SentinelFleet: Sendable {
    static let service = "main"

    let servers: [RedisServer]
    let sentinels: [SentinelProcess]

    init(sentinelPorts: [Int]? = nil) async throws {
        let primary = try RedisServer()
        let replica = try RedisServer(arguments: Self.replica(of: primary.port))
        servers = [primary, replica]
        let admin = try await Admin(replica.url)
        // One that has no data yet would be a poor successor.
        try await until { await admin.text("INFO", "replication").contains("master_link_status:up") }
        await admin.shutdown()
        sentinels = try (0..<3).map { number in
            try onFreePorts {
                try SentinelProcess(port: try sentinelPorts?[number] ?? freePort(), watching: primary.port)
            }
        }
        // Sentinels can agree on a failover once they know the replica and each other.
        for sentinel in sentinels {
            let admin = try await Admin(sentinel.url)
            try await until {
                let facts = await admin.command("SENTINEL", "master", Self.service)
                return facts?.fact("num-slaves") == "1" && facts?.fact("num-other-sentinels") == "2"
            }
            await admin.shutdown()
        }
    }

    static func replica(of port: Int) -> [String] {
        // Replicas copy at once, not after the usual five seconds of waiting for others.
        ["--replicaof", "127.0.0.1 \(port)", "--repl-diskless-sync-delay", "0"]
    }

    /// What to write into the URL, `redis+sentinel://` in front.
    var hosts: String { sentinels.map { "127.0.0.1:\($0.port)" }.joined(separator: ",") }
    var url: String { "redis+sentinel://\(hosts)/\(Self.service)" }

    func stop() {
        for sentinel in sentinels { sentinel.kill() }
        for server in servers { server.kill() }
    }
}

/// One sentinel. Its file is its memory: it is written anew by it.
final class SentinelProcess: Sendable {
    let port: Int
    private let directory: TemporaryDirectory
    private let process: ChildProcess
    private let isKilled = Lock(false)

    /// - Parameters:
    ///   - quorum: how many sentinels must agree that the primary is down.
    ///   - lines: what else its file says.
    init(port: Int, watching primary: Int, quorum: Int = 2, lines: [String] = []) throws {
        self.port = port
        directory = try TemporaryDirectory()
        let service = SentinelFleet.service
        let file = "\(directory.path)/sentinel.conf"
        try write(
            """
            \((["port \(port)"] + lines).joined(separator: "\n"))
            bind 127.0.0.1
            dir \(directory.path)
            sentinel monitor \(service) 127.0.0.1 \(primary) \(quorum)
            sentinel down-after-milliseconds \(service) 1000
            sentinel failover-timeout \(service) 6000
            user \(MinimumUser.sentinelRules.joined(separator: " "))

            """, to: file)
        guard let path = RedisServer.path else { throw ProcessError.cannotStart("redis-server") }
        var output = try Pipe()
        process = try ChildProcess(path, [file, "--sentinel"], output: output.writer)
        output.closeWriter()
        guard output.read(until: "+monitor") else {
            _ = process.wait()
            throw ProcessError.failed("sentinel")
        }
    }

    var url: String { "redis://127.0.0.1:\(port)" }

    func kill() {
        let wasKilled = isKilled.withLock { isKilled in
            defer { isKilled = true }
            return isKilled
        }
        guard !wasKilled else { return }
        process.send(SIGKILL)
        _ = process.wait()
    }

    deinit { kill() }
}

/// Writes a small file.
func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else { throw ProcessError.failed(path) }
    defer { fclose(file) }
    guard fputs(text, file) >= 0 else { throw ProcessError.failed(path) }
}

extension RESPValue {
    /// From a list of names and values in turn.
    fileprivate func fact(_ name: String) -> String? {
        guard case .array(let parts) = self, let index = parts.firstIndex(of: .bulk(Array(name.utf8))),
            index + 1 < parts.count, case .bulk(let value) = parts[index + 1]
        else { return nil }
        return String(decoding: value, as: UTF8.self)
    }
}
