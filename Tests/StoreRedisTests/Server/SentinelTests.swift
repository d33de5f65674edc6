import Glibc
import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Redis behind sentinels", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(3)))
struct SentinelTests {
    private let clock = ShiftedClock()
    private let log = LogLines()

    private func answer(_ number: Int) -> Answer { Sample.answer(number, createdAt: clock.wallNow) }

    /// Writes until it can be read back.
    private func write(_ number: Int, _ store: RedisStore) async throws {
        let answer = answer(number)
        try await until {
            await store.set(Sample.key(number), answer)
            return same(await store.get(Sample.key(number))?.answer, answer)
        }
    }

    /// How many connections of ours a server has, the one that asks not counted.
    private func connectionCount(_ server: RedisServer) async throws -> Int {
        let admin = try await Admin(server.url)
        let clients = await admin.text("CLIENT", "LIST")
        await admin.shutdown()
        return clients.split(separator: "\n").count { $0.contains("name=samovar ") } - 1
    }

    private func has(_ number: Int, _ server: RedisServer) async throws -> Bool {
        let admin = try await Admin(server.url)
        let reply = await admin.command("EXISTS", name(number))
        await admin.shutdown()
        return reply == .integer(1)
    }

    @Test("the primary is found; when it is killed writes go to the new one, and to the old one never again")
    func killed() async throws {
        let fleet = try await SentinelFleet()
        let store = try RedisStore.forTest(.patient(fleet.url), clock: clock, log: log)
        try await write(1, store)
        let first = try await has(1, fleet.servers[0])

        fleet.servers[0].kill()
        try await write(2, store)
        let second = try await has(2, fleet.servers[1])

        // It comes back as a primary, as that is all it knows, and is put down by the sentinels later.
        let old = try RedisServer(port: fleet.servers[0].port)
        try await write(3, store)
        let early = try await connectionCount(old)
        let admin = try await Admin(old.url)
        try await until { await admin.text("INFO", "replication").contains("role:slave") }
        await admin.shutdown()
        try await write(4, store)
        let late = try await connectionCount(old)
        let onNew = try await connectionCount(fleet.servers[1])
        let status = store.status()
        await store.shutdown()
        old.kill()
        fleet.stop()

        #expect(first && second)
        #expect(early == 0 && late == 0 && onNew >= 2)
        #expect(status.topology.changeCount == 2 && status.topology.primaryCount == 1)
        #expect(status.damagedCount == 0)
        #expect(log.count(containing: "redis: primary is now 127.0.0.1:\(fleet.servers[0].port)") == 1)
        #expect(log.count(containing: "redis: primary is now 127.0.0.1:\(fleet.servers[1].port)") == 1)
    }

    @Test("a failover by hand is followed, and the primary that became a replica is left")
    func failover() async throws {
        let fleet = try await SentinelFleet()
        let store = try RedisStore.forTest(.patient(fleet.url), clock: clock, log: log)
        try await write(1, store)
        try await until { try await has(1, fleet.servers[1]) }
        let sentinel = try await Admin(fleet.sentinels[0].url)
        // Refused as long as no replica is good enough.
        try await until { await sentinel.command("SENTINEL", "FAILOVER", SentinelFleet.service) == .status("OK") }
        await log.wait(for: "redis: primary is now 127.0.0.1:\(fleet.servers[1].port)")
        try await write(2, store)
        let second = try await has(2, fleet.servers[1])
        // What was written before has come along.
        try await until { await store.get(Sample.key(1)) != nil }
        try await until { try await connectionCount(fleet.servers[0]) == 0 }
        let (third, bob) = (answer(3), try RedisStore.forTest(.patient(fleet.url), clock: clock))
        _ = await bob.connected()
        let journey = await LeaseJourney(3, third, alice: store, bob: bob)
        await bob.shutdown()
        let status = store.status()
        await sentinel.shutdown()
        await store.shutdown()
        fleet.stop()

        #expect(second)
        #expect(journey.isGood(third), "\(journey)")
        #expect(status.writeBreakerState == .closed && status.damagedCount == 0)
    }

    @Test("a store that starts while no sentinel answers comes up later, and says both once")
    func absent() async throws {
        let ports = try (0..<3).map { _ in try freePort() }
        let hosts = ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
        let store = try RedisStore.forTest(
            .patient("redis+sentinel://\(hosts)/\(SentinelFleet.service)"), clock: clock, log: log)
        await log.wait(for: "redis: no primary found yet, going on without it")
        let none = await store.get(Sample.key(1))
        let fleet = try await SentinelFleet(sentinelPorts: ports)
        try await write(1, store)
        await store.shutdown()
        fleet.stop()

        #expect(none == nil)
        #expect(log.count(containing: "no primary found yet") == 1)
        #expect(log.count(containing: "redis: primary is now") == 1)
    }

    @Test("a replica that a sentinel names as primary is refused, by what it says itself; another sentinel is believed")
    func replica() async throws {
        let primary = try RedisServer()
        let replica = try RedisServer(arguments: SentinelFleet.replica(of: primary.port))
        let liar = try await CannedPeer.start(naming(replica))
        let honest = try await CannedPeer.start(naming(primary))
        let believer = try RedisStore.forTest(
            .patient("redis+sentinel://127.0.0.1:\(liar.port)/main"), clock: clock, log: log)
        await log.wait(for: "127.0.0.1:\(replica.port), named by a sentinel: the server is no primary")
        let lost = believer.status()
        await believer.shutdown()
        let store = try RedisStore.forTest(
            .patient("redis+sentinel://127.0.0.1:\(liar.port),127.0.0.1:\(honest.port)/main"), clock: clock)
        try await write(1, store)
        let isRight = try await has(1, primary)
        await store.shutdown()
        await liar.stop()
        await honest.stop()

        #expect(lost.connectCount == 0 && lost.topology.primaryCount == 0)
        #expect(isRight)
    }

    private func naming(_ server: RedisServer) -> String {
        "*2\r\n$9\r\n127.0.0.1\r\n$\("\(server.port)".count)\r\n\(server.port)\r\n"
    }

    /// Nobody is woken by it who sleeps as long as it is between two questions to sentinels.
    private struct DullClock: MonotonicClock {
        private let system = SystemClock()
        var now: Instant { system.now }
        var wallNow: WallTime { system.wallNow }
        func sleep(until deadline: Instant) async throws { try await system.sleep(until: deadline) }
        func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {
            if now.duration(to: instant) < SentinelWatch.askEvery / 4 { system.call(at: instant, body) }
        }
    }

    @Test("a failover that a sentinel tells of unasked is followed without asking time and again")
    func told() async throws {
        let (old, new) = (try RedisServer(), try RedisServer())
        let sentinel = try await CannedPeer.start(naming(old))
        let store = try RedisStore.forTest(
            .patient("redis+sentinel://127.0.0.1:\(sentinel.port)/main"), clock: DullClock(), log: log)
        _ = await store.connected()
        try await until { sentinel.listenerCount > 0 }
        // Of no interest to us.
        sentinel.tell("other 127.0.0.1 1 127.0.0.1 2")
        sentinel.answer(naming(new))
        sentinel.tell("main 127.0.0.1 \(old.port) 127.0.0.1 \(new.port)")
        await log.wait(for: "redis: primary is now 127.0.0.1:\(new.port)")
        try await write(1, store)
        let isRight = try await has(1, new)
        await store.shutdown()
        await sentinel.stop()
        #expect(isRight)
    }

    @Test("sentinels that know of no such service, or answer nonsense, are said to", arguments: ["*-1\r\n", ":1\r\n"])
    func unknown(answer: String) async throws {
        let peer = try await CannedPeer.start(answer)
        let store = try RedisStore.forTest(
            .patient("redis+sentinel://127.0.0.1:\(peer.port)/main"), clock: clock, log: log)
        await log.wait(
            for: "redis: no primary found yet, going on without it: sentinel 127.0.0.1:\(peer.port) knows of no main")
        await store.shutdown()
        await peer.stop()
    }

    @Test("a user with the documented minimum of commands, on servers and on sentinels, is enough")
    func minimum() async throws {
        let fleet = try await SentinelFleet()
        for server in fleet.servers {
            try await MinimumUser.install(MinimumUser.store + MinimumUser.behindSentinel, at: server.url)
        }
        var settings = RedisSettings.patient("redis+sentinel://\(MinimumUser.userInfo)\(fleet.hosts)/main")
        settings.sentinelUser = MinimumUser.name
        settings.sentinelPassword = Secret(MinimumUser.password)
        let store = try RedisStore.forTest(settings, clock: clock, log: log)
        let bob = try RedisStore.forTest(settings, clock: clock)
        _ = await (store.connected(), bob.connected())
        await store.set(Sample.key(1), answer(1))
        let found = await store.get(Sample.key(1))
        await store.remove(Sample.key(1))
        let removed = await store.get(Sample.key(1))
        let shared = answer(2)
        let journey = await LeaseJourney(2, shared, alice: store, bob: bob)
        // The news of a failover comes by itself: the next question is seconds away.
        let listening = try await Admin(fleet.sentinels[0].url)
        try await until { await listening.text("CLIENT", "LIST").contains("user=\(MinimumUser.name)") }
        await listening.shutdown()
        let word = FleetWord(number: 1, upstreams: [.init(name: "one", demand: 1, claim: 1)])
        _ = await store.exchange(word, life: .seconds(30))
        let words = await bob.exchange(word, life: .seconds(30))
        let status = store.status()
        await store.shutdown()
        await bob.shutdown()
        fleet.stop()

        #expect(found != nil && removed == nil)
        #expect(journey.isGood(shared), "\(journey)")
        #expect(words == .heard([store.pod: word]))
        #expect(status.errorCount == 0 && status.leaseBreakerState == .closed && status.writeBreakerState == .closed)
    }
}
