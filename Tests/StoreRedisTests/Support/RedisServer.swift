import Glibc
import Logging
import NIOPosix
import SamovarCore
import SamovarEngine

@testable import SamovarStoreRedis

/// A redis-server of the test's own, on a port of its own, keeping nothing on disk.
final class RedisServer: Sendable {
    /// Another build than the installed one by SAMOVAR_TEST_REDIS_BIN: the path of its redis-server.
    static let path = getenv("SAMOVAR_TEST_REDIS_BIN").map { String(cString: $0) } ?? installed("redis-server")
    static let isInstalled = path != nil
    static let skipMessage = "redis-server is not installed, and SAMOVAR_TEST_REDIS_BIN names no other"

    let port: Int
    let directory: TemporaryDirectory
    private let process: ChildProcess
    private let isKilled = Lock(false)

    /// Returns once it takes connections.
    ///
    /// - Parameter port: nil picks a free one.
    convenience init(port: Int? = nil, directory: TemporaryDirectory? = nil, _ arguments: String...) throws {
        try self.init(port: port, directory: directory, arguments: arguments)
    }

    init(port: Int? = nil, directory: TemporaryDirectory? = nil, arguments: [String]) throws {
        let directory = try directory ?? TemporaryDirectory()
        self.directory = directory
        // A port that was free a moment ago may be taken by now: then it says so and ends, and another is tried.
        for _ in 0..<10 {
            let port = try port ?? freePort()
            guard let process = try Self.start(port, directory, arguments) else { continue }
            (self.port, self.process) = (port, process)
            return
        }
        throw ProcessError.failed("redis-server")
    }

    private static func start(
        _ port: Int, _ directory: TemporaryDirectory, _ arguments: [String]
    ) throws -> ChildProcess? {
        guard let path else { throw ProcessError.cannotStart("redis-server") }
        var output = try Pipe()
        let process = try ChildProcess(
            path,
            ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
                + ["--dir", directory.path, "--daemonize", "no"] + arguments,
            output: output.writer)
        output.closeWriter()
        if output.read(until: "Ready to accept connections") { return process }
        _ = process.wait()
        return nil
    }

    var url: String { "redis://127.0.0.1:\(port)" }

    /// Frozen: sockets stay open and nobody reads them.
    func freeze() { process.send(SIGSTOP) }
    func thaw() { process.send(SIGCONT) }

    /// Gone at once, with all it held.
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

/// A client for what the test itself wants from a server.
struct Admin {
    let client: RedisClient

    init(_ url: String, password: Secret? = nil) async throws {
        let settings = RedisSettings(url: url, connectTimeout: .seconds(10), password: password)
        client = RedisClient(
            lineSettings: try settings.lineSettings(), lineCount: 1, group: MultiThreadedEventLoopGroup.singleton,
            clock: SystemClock(), logger: LogLines().logger)
        _ = await client.connected()
    }

    @discardableResult
    func command(_ words: String...) async -> RESPValue? {
        await bytes(words.map { Array($0.utf8) })
    }

    func bytes(_ words: [[UInt8]]) async -> RESPValue? {
        try? await client.send([words], timeout: .seconds(10)).outcome.get().first
    }

    func shutdown() async { await client.shutdown() }
}

extension RedisStore {
    /// A store for a test: with time for a busy machine, unless the test says otherwise.
    static func forTest(
        _ settings: RedisSettings, clock: any MonotonicClock = SystemClock(), log: LogLines = LogLines(),
        reusesAfterTimeout: Bool = false
    ) throws -> RedisStore {
        try RedisStore(
            settings: settings, group: MultiThreadedEventLoopGroup.singleton, logger: log.logger, clock: clock,
            reusesAfterTimeout: reusesAfterTimeout)
    }

    /// Asks again until it is so; between, waits for a connection where there is none.
    func eventually(_ condition: () async -> Bool) async {
        while !(await condition()) {
            _ = await connected()
            await Task.yield()
        }
    }
}

extension RedisSettings {
    static func patient(_ url: String) -> RedisSettings {
        RedisSettings(url: url, timeout: .seconds(10), connectTimeout: .seconds(10))
    }

    static func hasty(_ url: String) -> RedisSettings {
        RedisSettings(url: url, timeout: .milliseconds(50), connectTimeout: .milliseconds(500))
    }
}
