import Glibc
import NIOPosix
import SamovarCore
import SamovarEngine
import TestSupport
import Testing

@testable import SamovarStoreRedis

/// Callers that go away, and replies that come late: the one place where a shared connection can hand an answer to
/// somebody else. Each check is also run against the bug it is there for, and must see it.
@Suite(
    "Callers that go away", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .serialized)
struct CancellationTests {
    private struct Tally: Sendable {
        var right = 0
        var wrong = 0
        var cancelled = 0
        var failed = 0

        static func + (left: Tally, right: Tally) -> Tally {
            Tally(
                right: left.right + right.right, wrong: left.wrong + right.wrong,
                cancelled: left.cancelled + right.cancelled, failed: left.failed + right.failed)
        }
    }

    private static let get = Array("GET".utf8)

    /// The long version of the first check, by hand: `tools/drill cancel`.
    private enum ByHand {
        static let count = number("SAMOVAR_TEST_CANCELS")
        static let seed = UInt64(number("SAMOVAR_TEST_SEED") ?? 1)
        static let isBroken = number("SAMOVAR_TEST_REUSES") == 1

        private static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }
    }

    /// Asks `callCount` times for a random one of 100 keys through a proxy that holds replies back, and counts what
    /// came. Some callers go away at a random moment.
    private func tally(
        callCount: Int, cancelShare: Double, delay: Range<Int64>, timeout: Duration, reusesAfterTimeout: Bool,
        seed: UInt64 = 1
    ) async throws -> Tally {
        let server = try RedisServer()
        let admin = try await Admin(server.url)
        for number in 0..<100 { await admin.command("SET", "key \(number)", "value \(number)") }
        await admin.shutdown()
        let proxy = try await DelayingProxy.start(to: server.port, delay: delay)
        var settings = RedisSettings.patient(proxy.url)
        settings.connectionCount = 2
        let client = RedisClient(
            lineSettings: try settings.lineSettings(reusesAfterTimeout: reusesAfterTimeout), lineCount: 2,
            group: MultiThreadedEventLoopGroup.singleton, clock: SystemClock(), logger: LogLines().logger)
        _ = await client.connected()

        let tally = await withTaskGroup(of: Tally.self) { group in
            for worker in 0..<50 {
                group.addTask {
                    var tally = Tally()
                    var dice = SeededGenerator(seed: seed &* 50 &+ UInt64(worker))
                    for call in 0..<callCount / 50 {
                        _ = await client.connected()
                        let number = (worker * 31 + call * 7) % 100
                        let caller = Task {
                            await client.send([[Self.get, Array("key \(number)".utf8)]], timeout: timeout).outcome
                        }
                        if Double.random(in: 0..<1, using: &dice) < cancelShare {
                            // A random moment, mostly between the sending and the reply.
                            let wait = Int64.random(in: 0..<delay.upperBound, using: &dice)
                            try? await Task.sleep(for: .microseconds(wait))
                            caller.cancel()
                        }
                        switch await caller.value {
                        case .success([.bulk(Array("value \(number)".utf8))]): tally.right += 1
                        case .success: tally.wrong += 1
                        case .failure(.cancelled): tally.cancelled += 1
                        case .failure: tally.failed += 1
                        }
                    }
                    return tally
                }
            }
            return await group.reduce(Tally(), +)
        }
        await client.shutdown()
        await proxy.stop()
        server.kill()
        return tally
    }

    @Test(
        "thousands of callers go away at random, and nobody gets another's reply or suffers for it",
        .timeLimit(.minutes(3)))
    func cancellations() async throws {
        let tally = try await tally(
            callCount: 6_000, cancelShare: 0.5, delay: 0..<8_000, timeout: .seconds(30), reusesAfterTimeout: false)
        #expect(tally.wrong == 0)
        #expect(tally.failed == 0)
        #expect(tally.cancelled > 500)
        #expect(tally.right > 2_500)
    }

    @Test(
        "as many callers as are asked for go away, replies come late, and nobody gets another's",
        .enabled(if: ByHand.count != nil, "tools/drill cancel runs it"), .timeLimit(.minutes(120)))
    func byHand() async throws {
        let count = ByHand.count ?? 0
        // Three of four callers go, most of them before their reply; some of the rest are given up at their deadline, and
        // their connections closed.
        let tally = try await tally(
            callCount: 2 * count, cancelShare: 0.75, delay: 0..<3_000,
            timeout: ByHand.isBroken ? .milliseconds(3) : .milliseconds(20), reusesAfterTimeout: ByHand.isBroken,
            seed: ByHand.seed)
        print(
            "{\"seed\":\(ByHand.seed),\"calls\":\(2 * count),\"cancelled\":\(tally.cancelled),"
                + "\"right\":\(tally.right),\"failed\":\(tally.failed),\"wrong\":\(tally.wrong)}")
        if ByHand.isBroken { #expect(tally.wrong > 0) } else { #expect(tally.wrong == 0) }
    }

    @Test("replies that come after their deadline are nobody's", .timeLimit(.minutes(3)))
    func lateReplies() async throws {
        let tally = try await tally(
            callCount: 4_000, cancelShare: 0.2, delay: 0..<8_000, timeout: .milliseconds(5), reusesAfterTimeout: false)
        #expect(tally.wrong == 0)
        #expect(tally.failed > 0)
    }

    @Test(
        "with a connection that is used again after a timeout, the same check finds wrong replies",
        .timeLimit(.minutes(3)))
    func theCheckCanFail() async throws {
        let tally = try await tally(
            callCount: 4_000, cancelShare: 0.2, delay: 0..<8_000, timeout: .milliseconds(5), reusesAfterTimeout: true)
        #expect(tally.wrong > 0)
    }

    @Test(
        "even on such a connection no wrong answer leaves the store: a value is bound to its key",
        .timeLimit(.minutes(3)))
    func boundToTheKey() async throws {
        let server = try RedisServer()
        let clock = SystemClock()
        let answers = (0..<50).map { Sample.answer($0, createdAt: clock.wallNow) }
        let writer = try RedisStore.forTest(.patient(server.url))
        _ = await writer.connected()
        for number in 0..<50 { await writer.set(Sample.key(number), answers[number]) }
        await writer.shutdown()

        let proxy = try await DelayingProxy.start(to: server.port, delay: 0..<8_000)
        var settings = RedisSettings.patient(proxy.url)
        settings.timeout = .milliseconds(5)
        settings.breaker = Breaker.Settings(failureMax: .max)
        let store = try RedisStore.forTest(settings, reusesAfterTimeout: true)
        let tally = await withTaskGroup(of: Tally.self) { group in
            for worker in 0..<50 {
                group.addTask {
                    var tally = Tally()
                    for call in 0..<80 {
                        _ = await store.connected()
                        let number = (worker + call * 7) % 50
                        guard let found = await store.get(Sample.key(number)) else { continue }
                        if same(found.answer, answers[number]) { tally.right += 1 } else { tally.wrong += 1 }
                    }
                    return tally
                }
            }
            return await group.reduce(Tally(), +)
        }
        let status = store.status()
        await store.shutdown()
        await proxy.stop()
        server.kill()

        #expect(tally.wrong == 0)
        // The connection did mix up replies, or this would show nothing.
        #expect(status.damaged[.key, default: 0] + status.errorCount > 0)
    }
}
