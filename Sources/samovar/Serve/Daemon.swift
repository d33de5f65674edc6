import Glibc
import Logging
import NIOCore
import NIOPosix
import SamovarCore
import SamovarEngine
import SamovarServer
import SamovarStoreRedis
import SamovarUpstreamHTTP
import SamovarWire
import UnixSignals

/// The running sidecar: wires the parts, runs them, and takes them down in order.
///
/// Drives `Drain`.
final class Daemon: Sendable {
    private let configurationPath: String?
    private let configuration: Lock<Configuration>
    private let level: LogLevel
    private let logger: Logger
    private let clock = LoopClock()
    private let drain: Lock<Drain>
    private let lastReload = Lock<Bool?>(nil)
    /// Yields when the process was asked to end.
    private let (endings, ending) = AsyncStream<Void>.makeStream()

    init(_ configuration: Configuration, path: String?) {
        configurationPath = path
        self.configuration = Lock(configuration)
        let level = LogLevel(Logger.Level(configuration.log.level))
        self.level = level
        logger = Logger(label: "samovar") { JSONLog(label: $0, level: level) }
        drain = Lock(Drain(settings: Drain.Settings(configuration.drain)))
    }

    /// Everything that runs.
    private struct Parts: Sendable {
        let pipeline: Pipeline
        let front: Front
        let store: RedisStore?
        let upstreams: [HTTPUpstream]
        let port: DataPort
        /// Of the data ports together.
        let connections: ConnectionCount
        let loops: EpollLoops?
        let admin: AdminPort
    }

    /// Serves until told to end. Returns when everything has been taken down.
    func run(secrets: ConfigurationSecrets) async throws {
        let configuration = configuration.withLock { $0 }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, System.coreCount))
        // Signals first: one that comes while starting must not kill what is half up.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        signal(SIGPIPE, SIG_IGN)
        let parts = try makeParts(configuration, secrets, group)
        do {
            let listen = configuration.listen
            let http = try await Self.listening("listen.http", listen.http) {
                try await parts.port.startHTTP(.init(listen.http), driver: .init(listen.httpDriver), group: group)
            }
            var binary: String?
            if let address = listen.binary {
                binary = try await Self.listening("listen.binary", address) {
                    try await parts.port.startBinary(.init(address), driver: .init(listen.binaryDriver), group: group)
                }
            }
            let admin = try await Self.listening("listen.admin", configuration.listen.admin) {
                try await parts.admin.start(.init(configuration.listen.admin), group: group)
            }
            announce(http: http, binary: binary, admin: admin)
        } catch {
            await parts.port.closeAll()
            await close(parts)
            throw error
        }
        await withTaskGroup(of: Void.self) { running in
            running.addTask { await parts.pipeline.run() }
            running.addTask { await parts.front.run() }
            running.addTask { await self.obey(signals, parts) }
            await self.waitForTheEnd(parts)
            await self.takeDown(parts)
            running.cancelAll()
        }
        await close(parts)
        logger.info("ended")
        try? await group.shutdownGracefully()
    }

    private func close(_ parts: Parts) async {
        parts.loops?.shutdown()
        await parts.store?.shutdown()
        for upstream in parts.upstreams { await upstream.shutdown() }
    }

    /// Says which key names an address that cannot be listened on.
    private static func listening(
        _ key: String, _ address: ListenAddress, _ start: () async throws -> String
    ) async throws -> String {
        do {
            return try await start()
        } catch {
            let isTaken = error is AddressInUse || (error as? IOError)?.errnoCode == EADDRINUSE
            let reason = isTaken ? "somebody listens there already" : "cannot listen there"
            throw CommandFailure("\(key): \(address): \(reason)")
        }
    }

    private func makeParts(
        _ configuration: Configuration, _ secrets: ConfigurationSecrets, _ group: MultiThreadedEventLoopGroup
    ) throws -> Parts {
        let metrics = Metrics()
        let clock = clock
        let loops = group.makeIterator().map(LoopExecutor.init)
        let settings = configuration.frontSettings(secrets)
        let store = try configuration.redisSettings(secrets).map {
            try RedisStore(settings: $0, group: group, logger: logger)
        }
        var naming: (@Sendable (RequestKey) -> UInt64)?
        if let store { naming = { store.name(of: $0) } }
        let l1 = MemoryCache(
            sizeMax: configuration.cache.l1SizeMax, itemSizeMax: configuration.cache.effectiveL1ItemSizeMax,
            policy: configuration.cache.policy, metrics: metrics, naming: naming)
        let clients = configuration.upstreams.map { upstream in
            HTTPUpstream(.init(upstream, apiKey: secrets.apiKeys[upstream.name]), group: group)
        }
        let members = zip(configuration.upstreams, clients).map { UpstreamPool.Member($0, $1) }
        let named = Dictionary(uniqueKeysWithValues: zip(configuration.upstreams.map(\.name), clients))
        let pipeline = Pipeline(
            l1: l1, store: store, upstreams: UpstreamPool(members), clock: clock, metrics: metrics,
            settings: configuration.pipelineSettings(), lanes: loops, embeddings: EmbeddingBatchBody())
        let front = Front(
            pipeline: pipeline, passThroughs: named, clock: clock, settings: settings, loops: loops,
            bodyMemoSizeMax: configuration.cache.bodyMemoSizeMax)
        let connections = ConnectionCount(max: settings.connectionsMax)
        let epoll = try epollLoops(configuration.listen, front)
        let port = DataPort(front: front, count: connections, loops: epoll, tls: try configuration.portTLS())
        let source = AdminSource(
            pipeline: pipeline, clock: clock, startedAt: clock.now,
            isReady: { self.drain.withLock { $0.isReady } },
            hasPrices: { self.configuration.withLock { !$0.models.isEmpty } },
            redis: { store.map { Stats.RedisStats($0.status()) } },
            adminToken: { front.currentSettings.adminToken },
            routes: { front.currentSettings.routes },
            connectionCount: { connections.current },
            lastReloadSucceeded: { self.lastReload.withLock { $0 } })
        front.showStats { AdminPort.stats(source) }
        let admin = AdminPort(source: source, names: settings.names)
        return Parts(
            pipeline: pipeline, front: front, store: store, upstreams: clients, port: port, connections: connections,
            loops: epoll, admin: admin)
    }

    /// The threads of what epoll drives, where anything is.
    private func epollLoops(_ listen: Configuration.Listen, _ front: Front) throws -> EpollLoops? {
        guard listen.httpDriver == .epoll || (listen.binary != nil && listen.binaryDriver == .epoll) else { return nil }
        return try EpollLoops(
            count: listen.loops > 0 ? listen.loops : max(1, System.coreCount / 2), front: front,
            settings: EpollLoop.Settings(spinMax: System.coreCount > 1 ? listen.spinMax : .zero))
    }

    /// One line on standard output: whoever started the process waits for it.
    private func announce(http: String, binary: String?, admin: String) {
        let binaryMember = binary.map { "\"binary\":\"\($0)\"," } ?? ""
        emit("{\"event\":\"ready\",\"http\":\"\(http)\",\(binaryMember)\"admin\":\"\(admin)\"}\n")
        logger.info("serving", metadata: ["http": "\(http)", "binary": "\(binary ?? "none")", "admin": "\(admin)"])
    }

    // MARK: The end

    private func obey(_ signals: UnixSignalsSequence, _ parts: Parts) async {
        for await signal in signals {
            switch signal {
            case .sighup: reload(parts)
            default:
                logger.info("asked to end", metadata: ["signal": "\(signal)"])
                drain.withLock { $0.terminate(at: clock.now) }
                ending.yield()
            }
        }
    }

    /// How often it is looked whether the last request has been answered.
    private static let drainTick = Duration.milliseconds(20)

    private func waitForTheEnd(_ parts: Parts) async {
        var hasStoppedAccepting = false
        for await _ in endings { break }
        while true {
            let phase = drain.withLock { drain in
                drain.tick(at: clock.now, inFlightCount: parts.connections.current)
                return drain.phase
            }
            switch phase {
            case .serving, .leaving: break
            case .finishing:
                if !hasStoppedAccepting {
                    hasStoppedAccepting = true
                    await parts.port.stopAccepting()
                }
                // A connection that was idle when told may have brought one more request since.
                parts.port.leave()
            case .gone: return
            }
            try? await clock.sleep(until: clock.now.advanced(by: Self.drainTick))
        }
    }

    private func takeDown(_ parts: Parts) async {
        await parts.port.stopAccepting()
        // Flights that have not landed end with an error that says why, and their callers are told.
        parts.pipeline.close()
        parts.front.close()
        parts.pipeline.giveUp()
        let deadline = clock.now.advanced(by: .milliseconds(500))
        while parts.connections.current > 0, clock.now < deadline {
            parts.port.leave()
            try? await clock.sleep(until: clock.now.advanced(by: Self.drainTick))
        }
        await parts.port.closeAll()
        await parts.admin.listener.closeAll()
    }

    // MARK: Reload

    /// Whoever rotates keys writes the file and asks for a reload.
    private func reloadKeyRing(_ new: Configuration, _ parts: Parts) throws(ConfigurationErrors) {
        guard let path = new.redis.keyRingFile, let store = parts.store else { return }
        let complaint: String
        do {
            if store.change(to: try KeyRingFile.read(path)) { return }
            complaint = "'names' is not what it was at the start: that needs a restart"
        } catch {
            complaint = "\(error)"
        }
        throw ConfigurationErrors(
            file: nil, errors: [ConfigurationError(path: "redis.key_ring_file", place: .nowhere, message: complaint)])
    }

    /// Takes what can be changed while running; a configuration that is no good changes nothing.
    private func reload(_ parts: Parts) {
        guard let configurationPath else {
            return logger.warning("nothing to reload: started without a configuration file")
        }
        do throws(ConfigurationErrors) {
            let reading = try ConfigurationReader.read(path: configurationPath, environment: Environment.all)
            let old = configuration.withLock { $0 }
            let later = reading.configuration.changesNeedingRestart(from: old)
            var new = reading.configuration
            new.keepingWhatNeedsRestart(from: old)
            try new.checkServable()
            try new.checkRoutes()
            try reloadKeyRing(new, parts)
            configuration.withLock { [new] in $0 = new }
            // Tokens are those of the start: the environment of a process does not change.
            let current = parts.front.currentSettings
            parts.front.reconfigure(
                new.frontSettings(
                    ConfigurationSecrets(adminToken: current.adminToken, accessToken: current.accessToken)))
            parts.pipeline.reconfigure(new.pipelineSettings())
            level.current = Logger.Level(new.log.level)
            drain.withLock { [new] drain in
                // One that has begun goes on as it began.
                if drain.isReady { drain = Drain(settings: Drain.Settings(new.drain)) }
            }
            lastReload.withLock { $0 = true }
            logger.info("reloaded")
            if !later.isEmpty {
                logger.warning("some changes need a restart", metadata: ["keys": "\(later.joined(separator: ", "))"])
            }
        } catch {
            lastReload.withLock { $0 = false }
            let reasons = error.description
            logger.error(
                "not reloaded, the old configuration stays",
                metadata: ["reason": "\(reasons.split(separator: "\n").joined(separator: "; "))"])
        }
    }
}

extension Configuration {
    /// Listeners, stores, caches and upstreams are built once: their keys stay as they were.
    fileprivate mutating func keepingWhatNeedsRestart(from old: Configuration) {
        let (new, connectionsMax) = (cache, old.limits.connectionsMax)
        listen = old.listen
        redis = old.redis
        let newUpstreams = upstreams
        upstreams = old.upstreams
        for index in upstreams.indices {
            if let new = newUpstreams.first(where: { $0.name == upstreams[index].name }) {
                upstreams[index].takeLimits(of: new)
            }
        }
        cache = old.cache
        cache.ttl = new.ttl
        cache.staleTTL = new.staleTTL
        cache.hitForMissTTL = new.hitForMissTTL
        limits.connectionsMax = connectionsMax
    }

    /// Routes may name only upstreams that are running.
    fileprivate func checkRoutes() throws(ConfigurationErrors) {
        let known = Set(upstreams.map(\.name))
        let errors = routes.enumerated().flatMap { index, route in
            route.upstreams.filter { !known.contains($0) }.map {
                ConfigurationError(
                    path: "routes[\(index)].upstreams", place: .nowhere,
                    message: "'\($0)' is not running; restart for it")
            }
        }
        guard errors.isEmpty else { throw ConfigurationErrors(file: nil, errors: errors) }
    }
}

extension Drain.Settings {
    init(_ drain: Configuration.Drain) {
        self.init(acceptFor: drain.acceptFor, grace: drain.grace)
    }
}

extension Logger.Level {
    init(_ level: Configuration.Log.Level) {
        self = Logger.Level(rawValue: level.rawValue) ?? .info
    }
}
