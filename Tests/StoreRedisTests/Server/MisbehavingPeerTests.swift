import NIOPosix
import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("A peer that misbehaves", .timeLimit(.minutes(2)))
struct MisbehavingPeerTests {
    private let clock = ShiftedClock()
    private let log = LogLines()

    private func settings(_ url: String, timeout: Duration = .seconds(10)) -> RedisSettings {
        RedisSettings(
            url: url, timeout: timeout, connectTimeout: .seconds(10), connectionCount: 1, valueSizeMax: 100_000,
            replySizeMax: 200_000)
    }

    private static let sound = StoredValue.encode(
        Sample.answer(7, createdAt: WallTime(milliseconds: .max / 2)), for: Sample.key(7))

    private static func bulk(_ bytes: [UInt8]) -> [UInt8] {
        Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    }

    @Test(
        "nothing wrong is ever taken for an answer, and the connection is closed",
        arguments: [
            "hello\r\n", "$2147483647\r\n" + String(repeating: "x", count: 400_000), "$-5\r\n", "*2147483647\r\n",
            "*5000\r\n", String(repeating: "*1\r\n", count: 100_000), ":1\r\n:2\r\n", "+OK\r\n:5\r\n",
            "*1\r\n$1\r\na\r\n:5\r\n", "$1\r\nx\r\n+OK\r\n", "$-1\r\n:-2\r\n+extra\r\n", "%1\r\n+a\r\n+b\r\n",
        ])
    func garbage(reply: String) async throws {
        let peer = try await ScriptedPeer.start { _ in [.send(Array(reply.utf8))] }
        let store = try RedisStore.forTest(settings(peer.url), clock: clock, log: log)
        _ = await store.connected()
        let found = await store.get(Sample.key(7))
        await peer.connectionClosed()
        await store.shutdown()
        await peer.stop()
        #expect(found == nil)
    }

    @Test("a reply cut short is a miss at every length")
    func cutShort() async throws {
        let whole = Self.bulk(Self.sound) + Array(":1000\r\n".utf8)
        for count in Array(stride(from: 0, to: whole.count, by: 37)) + [whole.count - 1] {
            let peer = try await ScriptedPeer.start { _ in [.send(Array(whole[..<count])), .close] }
            let store = try RedisStore.forTest(settings(peer.url), clock: clock, log: log)
            _ = await store.connected()
            let found = await store.get(Sample.key(7))
            await store.shutdown()
            await peer.stop()
            #expect(found == nil, "cut after \(count)")
        }
    }

    @Test("the same reply, not cut, is an answer")
    func whole() async throws {
        let peer = try await ScriptedPeer.start { _ in [.send(Self.bulk(Self.sound) + Array(":1000\r\n".utf8))] }
        let store = try RedisStore.forTest(settings(peer.url), clock: clock, log: log)
        _ = await store.connected()
        let found = await store.get(Sample.key(7))
        await store.shutdown()
        await peer.stop()
        #expect(found != nil)
    }

    @Test("a neighbour's reply is a miss, and the connection that handed it out is closed")
    func swapped() async throws {
        let peer = try await ScriptedPeer.start { _ in [.send(Self.bulk(Self.sound) + Array(":1000\r\n".utf8))] }
        let store = try RedisStore.forTest(settings(peer.url), clock: clock, log: log)
        _ = await store.connected()
        let found = await store.get(Sample.key(8))
        await peer.connectionClosed()
        let status = store.status()
        await store.shutdown()
        await peer.stop()
        #expect(found == nil)
        #expect(status.damaged[.key] == 1)
        #expect(status.breakerState == .closed)
    }

    @Test("a peer that greets and then says nothing costs a timeout and the connection")
    func silent() async throws {
        let peer = try await ScriptedPeer.start { _ in [] }
        var settings = settings(peer.url, timeout: .milliseconds(50))
        settings.breaker = Breaker.Settings(failureMax: .max)
        let store = try RedisStore.forTest(settings, clock: clock, log: log)
        _ = await store.connected()
        var found = 0
        // On a busy machine a command may be too late to be sent at all.
        repeat { found += await store.get(Sample.key(7)) == nil ? 0 : 1 } while peer.receivedCount == 0
        await peer.connectionClosed()
        let status = store.status()
        await store.shutdown()
        await peer.stop()
        #expect(found == 0)
        #expect(status.timeoutCount > 0)
    }

    @Test(
        "a server that refuses everything is down: nobody waits, nothing is written, one line says why",
        arguments: ["LOADING", "BUSY", "MASTERDOWN", "NOAUTH", "WRONGPASS", "MOVED", "CLUSTERDOWN", "ERR"])
    func down(code: String) async throws {
        let peer = try await ScriptedPeer.start { received in
            let count = received.contains("PTTL") ? 2 : 1
            return [.send(Array(String(repeating: "-\(code) for some reason\r\n", count: count).utf8))]
        }
        let store = try RedisStore.forTest(settings(peer.url), clock: clock, log: log)
        _ = await store.connected()
        for _ in 0..<50 where await store.get(Sample.key(7)) != nil { Issue.record("an answer from nowhere") }
        let received = peer.receivedCount
        await store.set(Sample.key(7), Sample.answer(createdAt: clock.wallNow))
        let status = store.status()
        await store.shutdown()
        await peer.stop()
        #expect(status.breakerState != .closed)
        #expect(status.writtenCount == 0)
        #expect(received < 50)
        #expect(log.count(containing: "redis: down, going on without it: \(code)") == 1)
    }

    @Test(
        "a server that refuses writes alone is not down",
        arguments: ["OOM", "READONLY", "MISCONF", "NOPERM", "NOREPLICAS", "ERR"])
    func refusesWrites(code: String) async throws {
        let peer = try await ScriptedPeer.start { received in
            received.contains("PTTL")
                ? [.send(Array("$-1\r\n:-2\r\n".utf8))] : [.send(Array("-\(code) for some reason\r\n".utf8))]
        }
        let store = try RedisStore.forTest(settings(peer.url), clock: clock, log: log)
        _ = await store.connected()
        let answer = Sample.answer(createdAt: clock.wallNow)
        for _ in 0..<50 {
            await store.set(Sample.key(7), answer)
            _ = await store.get(Sample.key(7))
        }
        let status = store.status()
        await store.shutdown()
        await peer.stop()
        #expect(status.breakerState == .closed && status.missCount == 50)
        #expect(status.writtenCount == 0 && status.skippedWriteCount > 0)
        #expect(log.count(containing: "refuses writes, reads go on: \(code)") == 1)
        #expect(log.count(containing: "redis: down") == 0)
    }

    @Test("the row on a connection is bounded: who comes too much is told at once")
    func pipelineFull() async throws {
        let peer = try await ScriptedPeer.start { _ in [] }
        var settings = settings(peer.url)
        settings.pipelineDepthMax = 4
        let client = RedisClient(
            lineSettings: try settings.lineSettings(), lineCount: 1, group: MultiThreadedEventLoopGroup.singleton,
            clock: clock, logger: log.logger)
        _ = await client.connected()
        let outcomes = await withTaskGroup(of: RedisRequest.Outcome.self) { group in
            for _ in 0..<5 {
                group.addTask { await client.send([[Array("PING".utf8)]], timeout: .seconds(60)).outcome }
            }
            // The fifth of them does not wait; those who do are woken by the end.
            var outcomes: [RedisRequest.Outcome] = []
            if let first = await group.next() { outcomes.append(first) }
            await client.shutdown()
            for await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
        await peer.stop()
        #expect(outcomes.first == .failure(.pipelineFull))
        #expect(outcomes.dropFirst().allSatisfy { $0 == .failure(.lost(.shutDown)) })
    }
}
