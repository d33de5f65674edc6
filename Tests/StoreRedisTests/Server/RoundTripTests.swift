import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Redis, all well", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct RoundTripTests {
    private let key = Sample.key(1)
    private let name = String(decoding: KeyName(keyPrefix: "samovar:").bytes(Sample.key(1)), as: UTF8.self)
    private let clock = ShiftedClock()

    private func answer(_ number: Int = 1, size: Int = 0) -> Answer {
        Sample.answer(number, createdAt: clock.wallNow, size: size)
    }

    @Test("what is set is found, with what is left of its life")
    func setAndGet() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.patient(server.url), clock: clock)
        _ = await store.connected()
        let missing = await store.get(key)
        let answer = answer()
        await store.set(key, answer)
        let found = await store.get(key)
        let now = clock.now
        let status = store.status()
        await store.shutdown()

        #expect(missing == nil)
        #expect(same(found?.answer, answer))
        let left = now.duration(to: found?.freshness.diesAt ?? now)
        #expect(left <= answer.life && left > answer.life - .seconds(60))
        #expect(status.getCount == 2 && status.hitCount == 1 && status.missCount == 1)
        #expect(status.setCount == 1 && status.writtenCount == 1)
        #expect(status.breakerState == .closed && status.liveConnectionCount >= 1)
    }

    @Test("large values come back whole, and those over value_size_max are not written")
    func sizes() async throws {
        let server = try RedisServer()
        var settings = RedisSettings.patient(server.url)
        settings.valueSizeMax = 600_000
        let store = try RedisStore.forTest(settings, clock: clock)
        _ = await store.connected()
        let large = answer(size: 500_000)
        await store.set(key, large)
        let found = await store.get(key)
        await store.set(Sample.key(2), answer(size: 600_000))
        let tooLarge = await store.get(Sample.key(2))
        let status = store.status()
        await store.shutdown()

        #expect(same(found?.answer, large))
        #expect(tooLarge == nil)
        #expect(status.tooLargeCount == 1 && status.writtenCount == 1)
    }

    @Test("the shorter of what Redis says and what the value says is what is left")
    func remainingLife() async throws {
        let server = try RedisServer()
        let admin = try await Admin(server.url)
        let store = try RedisStore.forTest(.patient(server.url), clock: clock)
        _ = await store.connected()
        await store.set(key, answer())
        let life = await admin.command("PTTL", name)
        await admin.command("PEXPIRE", name, "90000")
        let shortened = await store.get(key)
        let now = clock.now
        await admin.command("PERSIST", name)
        clock.setWall(forward: .seconds(3_000))
        let persisted = await store.get(key)
        clock.setWall(forward: .seconds(700))
        let dead = await store.get(key)
        await store.shutdown()
        await admin.shutdown()

        guard case .integer(let milliseconds) = life else {
            Issue.record("no PTTL")
            return
        }
        #expect(milliseconds <= 3_660_000 && milliseconds > 3_600_000)
        #expect(now.duration(to: shortened?.freshness.diesAt ?? now) <= .seconds(90))
        #expect(shortened != nil)
        #expect(now.duration(to: persisted?.freshness.diesAt ?? now) <= .seconds(661))
        #expect(persisted != nil)
        #expect(dead == nil)
    }

    @Test("an answer that has lived its life is not written")
    func deadAnswer() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.patient(server.url), clock: clock)
        _ = await store.connected()
        let answer = answer()
        clock.advance(by: .seconds(3_661))
        await store.set(key, answer)
        let status = store.status()
        await store.shutdown()
        #expect(status.setCount == 1 && status.writtenCount == 0 && status.errorCount == 0)
    }

    @Test("many callers at once each get their own answer")
    func many() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.patient(server.url), clock: clock)
        _ = await store.connected()
        let answers = (0..<200).map { answer($0) }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 { group.addTask { await store.set(Sample.key(number), answers[number]) } }
        }
        let right = await withTaskGroup(of: Bool.self) { group in
            for round in 0..<2_000 {
                let number = round % 200
                group.addTask { same(await store.get(Sample.key(number))?.answer, answers[number]) }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        await store.shutdown()
        #expect(right == 2_000)
    }

    @Test("a ping has a round trip, and none where there is no server")
    func ping() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.patient(server.url))
        _ = await store.connected()
        let roundTrip = await store.ping()
        server.kill()
        await store.eventually { await store.ping() == nil }
        await store.shutdown()
        #expect(roundTrip != nil)
    }

    @Test("after shutdown there is nothing, and it may be shut down twice")
    func shutdown() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.patient(server.url), clock: clock)
        _ = await store.connected()
        await store.set(key, answer())
        await store.shutdown()
        await store.shutdown()
        let found = await store.get(key)
        let connected = await store.connected()
        #expect(found == nil)
        #expect(!connected)
        #expect(store.status().liveConnectionCount == 0)
    }

    @Test("the database in the URL is the one used")
    func database() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.patient(server.url + "/3"), clock: clock)
        let there = try await Admin(server.url + "/3")
        let elsewhere = try await Admin(server.url)
        _ = await store.connected()
        await store.set(key, answer())
        let inThree = await there.command("EXISTS", name)
        let inZero = await elsewhere.command("EXISTS", name)
        await store.shutdown()
        await there.shutdown()
        await elsewhere.shutdown()
        #expect(inThree == .integer(1))
        #expect(inZero == .integer(0))
    }

    @Test("a Unix socket will do")
    func unixSocket() async throws {
        let directory = try TemporaryDirectory()
        let socket = "\(directory.path)/redis.sock"
        let server = try RedisServer(directory: directory, "--unixsocket", socket)
        let store = try RedisStore.forTest(.patient("unix://\(socket)?db=1"), clock: clock)
        _ = await store.connected()
        let answer = answer()
        await store.set(key, answer)
        let found = await store.get(key)
        await store.shutdown()
        server.kill()
        #expect(same(found?.answer, answer))
    }

    @Test("a server with a password is used with it, from the URL or from beside it")
    func password() async throws {
        let server = try RedisServer("--requirepass", "open sesame")
        let inURL = RedisSettings.patient("redis://:open%20sesame@127.0.0.1:\(server.port)")
        var beside = RedisSettings.patient(server.url)
        beside.password = Secret("open sesame")
        for settings in [inURL, beside] {
            let store = try RedisStore.forTest(settings, clock: clock)
            _ = await store.connected()
            let answer = answer()
            await store.set(key, answer)
            let found = await store.get(key)
            await store.shutdown()
            #expect(same(found?.answer, answer))
        }
    }

    @Test("a user of an access list needs no more than the four commands that are used")
    func narrowUser() async throws {
        let server = try RedisServer(
            "--user", "cup", "on", ">tea", "~samovar:*", "+get", "+set", "+pttl", "+unlink")
        let store = try RedisStore.forTest(.patient("redis://cup:tea@127.0.0.1:\(server.port)"), clock: clock)
        _ = await store.connected()
        let answer = answer()
        await store.set(key, answer)
        let found = await store.get(key)
        await store.shutdown()
        #expect(same(found?.answer, answer))
    }

    @Test("a user that may only read reads, and writes are skipped")
    func readOnlyUser() async throws {
        let server = try RedisServer("--user", "cup", "on", ">tea", "~*", "+get")
        let admin = try await Admin(server.url)
        let writer = try RedisStore.forTest(.patient(server.url), clock: clock)
        let log = LogLines()
        let reader = try RedisStore.forTest(
            .patient("redis://cup:tea@127.0.0.1:\(server.port)"), clock: clock, log: log)
        _ = await writer.connected()
        _ = await reader.connected()
        let answer = answer()
        await writer.set(key, answer)
        for _ in 0..<10 { await reader.set(key, answer) }
        let found = await reader.get(key)
        let status = reader.status()
        for store in [writer, reader] { await store.shutdown() }
        await admin.shutdown()

        #expect(same(found?.answer, answer))
        #expect(status.breakerState == .closed)
        #expect(status.errorCount == 1 && status.skippedWriteCount == 9)
        #expect(log.count(containing: "refuses writes, reads go on: NOPERM") == 1)
    }

    @Test(
        "a wrong password, a missing one and a wrong database are told to an operator, once and without secrets",
        arguments: [
            ("redis://:hunter2@127.0.0.1:", "WRONGPASS"), ("redis://127.0.0.1:", "NOAUTH"),
            ("redis://cup:hunter2@127.0.0.1:", "WRONGPASS"),
        ])
    func refused(url: String, code: String) async throws {
        let server = try RedisServer("--requirepass", "open sesame")
        let log = LogLines()
        let store = try RedisStore.forTest(.patient("\(url)\(server.port)"), log: log)
        await log.wait(for: code)
        let found = await store.get(key)
        await store.shutdown()
        #expect(found == nil)
        #expect(log.count(containing: code) == 1)
        #expect(log.count(containing: "hunter2") == 0)
    }

    @Test("a database that is not there is told to an operator")
    func wrongDatabase() async throws {
        let server = try RedisServer()
        let log = LogLines()
        let store = try RedisStore.forTest(.patient(server.url + "/99"), log: log)
        await log.wait(for: "database 99")
        await store.shutdown()
        #expect(log.count(containing: "error redis: cannot be used: the server refused database 99") == 1)
    }
}
