import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Redis in trouble", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct FaultTests {
    private let clock = ShiftedClock()
    private let log = LogLines()

    private func answer(_ number: Int) -> Answer { Sample.answer(number, createdAt: clock.wallNow) }

    private func name(_ number: Int) -> String {
        String(decoding: KeyName(keyPrefix: "samovar:").bytes(Sample.key(number)), as: UTF8.self)
    }

    @Test("a frozen server is waited for a few times, then skipped; thawed it is used again, and answers nobody else")
    func frozen() async throws {
        let server = try RedisServer()
        let store = try RedisStore.forTest(.hasty(server.url), clock: clock, log: log)
        await store.eventually { await store.ping() != nil }
        let answers = (0..<20).map { answer($0) }
        for number in 0..<20 {
            await store.eventually {
                await store.set(Sample.key(number), answers[number])
                return same(await store.get(Sample.key(number))?.answer, answers[number])
            }
        }
        let before = store.status()

        server.freeze()
        // Every one of these returns while the server still stands.
        var found = 0
        while store.status().breakerState != .open { found += await store.get(Sample.key(1)) == nil ? 0 : 1 }
        for _ in 0..<1_000 where await store.get(Sample.key(2)) != nil { found += 1 }
        let during = store.status()
        server.thaw()

        var wrong = 0
        for number in 0..<20 {
            await store.eventually {
                guard let late = await store.get(Sample.key(number)) else { return false }
                if !same(late.answer, answers[number]) { wrong += 1 }
                return true
            }
        }
        let after = store.status()
        await store.shutdown()

        #expect(found == 0)
        #expect(during.timeoutCount > before.timeoutCount)
        #expect(during.skippedCount >= before.skippedCount + 900)
        #expect(wrong == 0)
        #expect(after.damagedCount == 0)
        #expect(after.breakerState == .closed)
        #expect(log.count(containing: "redis: down") == log.count(containing: "redis: back"))
    }

    @Test("a frozen server opens the breaker with one line in the log, and its return closes it with one")
    func oneLineEach() async throws {
        let server = try RedisServer()
        var settings = RedisSettings.patient(server.url)
        settings.breaker = Breaker.Settings(failureMax: 3)
        settings.timeout = .milliseconds(200)
        let store = try RedisStore.forTest(settings, clock: clock, log: log)
        await store.eventually { await store.ping() != nil }
        server.freeze()
        while store.status().breakerState == .closed { _ = await store.get(Sample.key(1)) }
        // The breaker's time goes by again and again, and each time a probe fails.
        for _ in 0..<20 {
            clock.advance(by: .seconds(3))
            _ = await store.get(Sample.key(1))
        }
        let whileFrozen = log.count(containing: "redis: down")
        server.thaw()
        await store.eventually {
            _ = await store.get(Sample.key(1))
            return store.status().breakerState == .closed
        }
        await store.shutdown()

        #expect(whileFrozen == 1)
        #expect(log.count(containing: "redis: down") == 1)
        #expect(log.count(containing: "redis: back") == 1)
    }

    @Test("a server that is killed and comes back empty is used again")
    func killed() async throws {
        let port = try freePort()
        let first = try RedisServer(port: port)
        let store = try RedisStore.forTest(.patient(first.url), clock: clock, log: log)
        _ = await store.connected()
        await store.set(Sample.key(1), answer(1))
        let before = await store.get(Sample.key(1))
        first.kill()
        let during = await store.get(Sample.key(1))

        let second = try RedisServer(port: port)
        let answer = answer(2)
        await store.eventually {
            await store.set(Sample.key(2), answer)
            return same(await store.get(Sample.key(2))?.answer, answer)
        }
        let lost = await store.get(Sample.key(1))
        await store.shutdown()
        second.kill()

        #expect(before != nil)
        #expect(during == nil)
        #expect(lost == nil)
    }

    @Test("a server that appears later is joined")
    func absent() async throws {
        let port = try freePort()
        let store = try RedisStore.forTest(.patient("redis://127.0.0.1:\(port)"), clock: clock, log: log)
        await log.wait(for: "not connected yet")
        let none = await store.get(Sample.key(1))
        let server = try RedisServer(port: port)
        _ = await store.connected()
        let answer = answer(1)
        await store.eventually {
            await store.set(Sample.key(1), answer)
            return same(await store.get(Sample.key(1))?.answer, answer)
        }
        await store.shutdown()
        server.kill()

        #expect(none == nil)
        #expect(log.count(containing: "not connected yet") == 1)
        #expect(log.count(containing: "redis: connected") == 1)
    }

    @Test("a full server takes no writes and is still read; one line says so, one says that it is over")
    func full() async throws {
        try await refusesWrites(
            begin: ["CONFIG", "SET", "maxmemory", "1"], end: ["CONFIG", "SET", "maxmemory", "0"], code: "OOM")
    }

    @Test("a read-only replica takes no writes and is still read")
    func readOnly() async throws {
        let nobody = try freePort()
        try await refusesWrites(
            begin: ["REPLICAOF", "127.0.0.1", String(nobody)], end: ["REPLICAOF", "NO", "ONE"], code: "READONLY")
    }

    private func refusesWrites(begin: [String], end: [String], code: String) async throws {
        let server = try RedisServer("--maxmemory-policy", "noeviction")
        let admin = try await Admin(server.url)
        let store = try RedisStore.forTest(.patient(server.url), clock: clock, log: log)
        _ = await store.connected()
        await store.set(Sample.key(1), answer(1))
        _ = await admin.bytes(begin.map { Array($0.utf8) })
        for number in 2..<50 { await store.set(Sample.key(number), answer(number)) }
        let found = await store.get(Sample.key(1))
        let missing = await store.get(Sample.key(2))
        let during = store.status()
        _ = await admin.bytes(end.map { Array($0.utf8) })
        clock.advance(by: .seconds(6))
        let late = Sample.answer(60, createdAt: clock.wallNow)
        await store.set(Sample.key(60), late)
        let written = await store.get(Sample.key(60))
        let after = store.status()
        await store.shutdown()
        await admin.shutdown()
        server.kill()

        #expect(found != nil && missing == nil)
        #expect(during.breakerState == .closed && during.writeBreakerState != .closed)
        #expect(during.errorCount == 1 && during.skippedWriteCount == 47)
        #expect(same(written?.answer, late))
        #expect(after.writeBreakerState == .closed)
        #expect(log.count(containing: "redis: refuses writes, reads go on: \(code)") == 1)
        #expect(log.count(containing: "redis: takes writes again") == 1)
        #expect(log.count(containing: "redis: down") == 0)
    }

    @Test("a value under another key's name is a miss, and is removed")
    func renamed() async throws {
        let server = try RedisServer()
        let admin = try await Admin(server.url)
        let store = try RedisStore.forTest(.patient(server.url), clock: clock, log: log)
        await store.eventually { store.status().liveConnectionCount == 2 }
        await store.set(Sample.key(1), answer(1))
        await admin.command("RENAME", name(1), name(2))
        let found = await store.get(Sample.key(2))
        let removed = await removed(2, store, admin)
        let status = store.status()
        await store.shutdown()
        await admin.shutdown()

        #expect(found == nil)
        #expect(removed)
        #expect(status.damaged[.key] == 1)
    }

    @Test("a value with a flipped bit is a miss, and is removed")
    func flipped() async throws {
        let server = try RedisServer()
        let admin = try await Admin(server.url)
        let store = try RedisStore.forTest(.patient(server.url), clock: clock, log: log)
        await store.eventually { store.status().liveConnectionCount == 2 }
        await store.set(Sample.key(1), answer(1))
        guard case .bulk(let bytes) = await admin.command("GET", name(1)) else {
            Issue.record("nothing was written")
            return
        }
        let middle = StoredValue.headerSize + 20
        _ = await admin.bytes([
            Array("SETRANGE".utf8), Array(name(1).utf8), Array(String(middle).utf8), [bytes[middle] ^ 1],
        ])
        let found = await store.get(Sample.key(1))
        let removed = await removed(1, store, admin)
        let status = store.status()
        await store.shutdown()
        await admin.shutdown()

        #expect(found == nil)
        #expect(removed)
        #expect(status.damaged[.checksum] == 1)
    }

    /// The removal is sent without anyone waiting for it, so the server is asked until it has come.
    private func removed(_ number: Int, _ store: RedisStore, _ admin: Admin) async -> Bool {
        for _ in 0..<1_000 {
            if await admin.command("EXISTS", name(number)) == .integer(0) { return true }
        }
        return false
    }

    @Test("a value of another type under our name is a miss, and is written over")
    func wrongType() async throws {
        let server = try RedisServer()
        let admin = try await Admin(server.url)
        let store = try RedisStore.forTest(.patient(server.url), clock: clock, log: log)
        _ = await store.connected()
        await admin.command("RPUSH", name(1), "x")
        let before = await store.get(Sample.key(1))
        let answer = answer(1)
        await store.set(Sample.key(1), answer)
        let after = await store.get(Sample.key(1))
        let status = store.status()
        await store.shutdown()
        await admin.shutdown()
        #expect(before == nil)
        #expect(same(after?.answer, answer))
        #expect(status.errorCount == 0 && status.breakerState == .closed)
    }
}
