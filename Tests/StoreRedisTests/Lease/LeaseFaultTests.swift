import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Leases, Redis in trouble", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct LeaseFaultTests {
    @Test("a server that has forgotten the scripts gets each of them once more, and nobody notices")
    func flushedScripts() async throws {
        let scene = try await LeaseScene()
        await scene.admin.command("SCRIPT", "FLUSH")
        let acquired = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        await scene.admin.command("SCRIPT", "FLUSH")
        let renewed = await scene.alice.renew(scene.key, for: attempt(1))
        await scene.admin.command("SCRIPT", "FLUSH")
        let stolen = await scene.bob.steal(
            scene.key, seen: LeaseSight(attempt: attempt(1), heartbeat: 1, pod: scene.alice.pod), for: attempt(2),
            needed: .zero)
        await scene.admin.command("SCRIPT", "FLUSH")
        await scene.bob.abort(scene.key, for: attempt(2), nil)
        _ = await scene.bob.acquire(scene.key, for: attempt(3), needed: .zero)
        await scene.admin.command("SCRIPT", "FLUSH")
        let stored = await scene.bob.commit(scene.key, for: attempt(3), scene.answer(), end: nil)
        let whole = await scene.ask("EVALSHA", LeaseScripts.acquire.digest, "0")
        let flushed = await scene.ask("EVALSHA", LeaseScripts.renew.digest, "0")
        let status = scene.alice.status()
        await scene.end()

        #expect(acquired.word == "leads" && renewed == .renewed(isFollowed: false))
        #expect(stolen.word == "leads" && stored == .stored)
        #expect(flushed == .error(ServerError(code: "NOSCRIPT")) && whole == flushed)
        #expect(status.errorCount == 0 && status.breakerState == .closed)
    }

    @Test("what says that it does not know a script, and then does not know its text either, is asked no third time")
    func neverKnown() async throws {
        let peer = try await ScriptedPeer.start { _ in [.send(Array("-NOSCRIPT No matching script\r\n".utf8))] }
        let store = try RedisStore.forTest(.patient(peer.url))
        await store.eventually { store.status().liveConnectionCount == 2 }
        let before = peer.receivedCount
        let reply = await store.renew(Sample.key(1), for: attempt(1))
        let count = peer.receivedCount - before
        await store.shutdown()
        await peer.stop()
        #expect(reply == .unavailable)
        #expect(count == 2)
    }

    @Test(
        "where the first reply gets lost the same attempt asks once more, on another connection, and leads",
        arguments: [true, false])
    func lostReply(closes: Bool) async throws {
        let asked = Asked()
        let peer = try await ScriptedPeer.start { received in
            guard let attempt = received.split(separator: "\r\n").first(where: { $0.hasPrefix("a77e") }) else {
                return []
            }
            // The first is heard and never answered.
            guard asked.add(received, about: attempt) > 1 else { return closes ? [.close] : [] }
            let lease = "\(attempt):0:0000000000000007"
            return [
                .send(
                    Array(
                        "*5\r\n:2\r\n$32\r\n\(attempt)\r\n$-1\r\n:-1\r\n$\(lease.utf8.count)\r\n\(lease)\r\n".utf8))
            ]
        }
        var settings = RedisSettings.patient(peer.url)
        // Half of it is waited in vain for the first reply.
        settings.timeout = .seconds(closes ? 10 : 1)
        settings.breaker = Breaker.Settings(failureMax: .max)
        let store = try RedisStore.forTest(settings)
        var reply = LeaseReply.unavailable
        var number: UInt64 = 0
        // On a busy machine a question may be too late to be sent at all, or its answer to be of use.
        repeat {
            number += 1
            await store.eventually { store.status().liveConnectionCount == 2 }
            reply = await store.acquire(Sample.key(1), for: attempt(number), needed: .zero)
        } while reply.word != "leads"
        let questions = asked.all(about: attempt(number).hexadecimal)
        await store.shutdown()
        await peer.stop()
        #expect(reply.sight?.pod == PodID(7))
        #expect(questions.count == 2 && questions.first == questions.last)
    }

    @Test(
        "a reply that answers something else is believed in nothing, and its connection is closed",
        arguments: [
            ":1\r\n", "*0\r\n", "$-1\r\n", "+OK\r\n",
            "*5\r\n:2\r\n$32\r\n00000000000000000000000000000000\r\n$-1\r\n:-1\r\n$-1\r\n",
            "*5\r\n:4\r\n$32\r\n00000000000000000000000000000000\r\n$-1\r\n:-1\r\n$-1\r\n",
            "*5\r\n:9\r\n$32\r\nATTEMPT\r\n$-1\r\n:-1\r\n$-1\r\n",
            "*5\r\n:1\r\n$32\r\nATTEMPT\r\n$-1\r\n:-1\r\n$-1\r\n",
            "*5\r\n:2\r\n$32\r\nATTEMPT\r\n$-1\r\n:-1\r\n$1\r\nx\r\n",
        ])
    func strangeReplies(reply: String) async throws {
        let text = reply.replacing("ATTEMPT", with: attempt(1).hexadecimal)
        let peer = try await ScriptedPeer.start { received in
            received.contains("EVALSHA") ? [.send(Array(text.utf8))] : []
        }
        let store = try RedisStore.forTest(.patient(peer.url))
        _ = await store.connected()
        let acquired = await store.acquire(Sample.key(1), for: attempt(1), needed: .zero)
        await peer.connectionClosed()
        await store.shutdown()
        await peer.stop()
        #expect(acquired.word == "unavailable")
    }

    @Test(
        "a server that is down for leases is down for all, and says so once",
        arguments: ["LOADING", "BUSY", "MASTERDOWN", "MOVED", "CLUSTERDOWN"])
    func down(code: String) async throws {
        let peer = try await ScriptedPeer.start { _ in [.send(Array("-\(code) for some reason\r\n".utf8))] }
        let log = LogLines()
        let store = try RedisStore.forTest(.patient(peer.url), log: log)
        _ = await store.connected()
        var words: Set<String> = []
        for number in 0..<20 {
            words.insert(await store.acquire(Sample.key(number), for: attempt(1), needed: .zero).word)
        }
        let status = store.status()
        await store.shutdown()
        await peer.stop()
        #expect(words == ["unavailable"])
        #expect(status.breakerState != .closed && status.leases.skippedCount > 0)
        #expect(log.count(containing: "redis: down, going on without it: \(code)") == 1)
    }

    @Test("keys on different nodes: leases are off, the rest goes on, one line says so")
    func crossSlot() async throws {
        let peer = try await ScriptedPeer.start { received in
            received.contains("EVALSHA")
                ? [.send(Array("-CROSSSLOT Keys in request don't hash to the same slot\r\n".utf8))]
                : [.send(Array("$-1\r\n:-2\r\n".utf8))]
        }
        let log = LogLines()
        let store = try RedisStore.forTest(.patient(peer.url), log: log)
        _ = await store.connected()
        for number in 0..<20 { _ = await store.acquire(Sample.key(number), for: attempt(1), needed: .zero) }
        let missing = await store.get(Sample.key(1))
        let status = store.status()
        await store.shutdown()
        await peer.stop()
        #expect(missing == nil && status.missCount == 1)
        #expect(status.breakerState == .closed && status.leaseBreakerState == .open)
        #expect(status.leases.skippedCount == 19)
        #expect(log.count(containing: "does not let us lease, every process calls for itself: CROSSSLOT") == 1)
    }

    // MARK: Refused writes

    @Test("a full server still hands out what it has, and gives leases back")
    func full() async throws {
        let scene = try await LeaseScene("--maxmemory-policy", "noeviction")
        let answer = scene.answer()
        await scene.alice.set(scene.key, answer)
        let seen = try #require(await scene.alice.acquire(Sample.key(3), for: attempt(3), needed: .zero).sight)
        await scene.admin.command("CONFIG", "SET", "maxmemory", "1")
        let replies = await self.replies(scene, seen)
        let commit = await scene.alice.commit(Sample.key(3), for: attempt(3), scene.answer(3), end: nil)
        let isLeased = await scene.exists(Sample.name(3).lease)
        let purged = await scene.bob.purge(scene.key)
        let isThere = await scene.exists(scene.names.answer)
        let during = scene.bob.status()
        await scene.admin.command("CONFIG", "SET", "maxmemory", "0")
        scene.clock.advance(by: .seconds(6))
        let after = await scene.bob.acquire(Sample.key(2), for: attempt(8), needed: .zero)
        let later = scene.bob.status()
        await scene.end()

        #expect(replies == ["hit", "unavailable", "unavailable", "unavailable", "follows"])
        #expect(commit == .unavailable && !isLeased)
        #expect(purged && !isThere)
        #expect(during.breakerState == .closed && during.writeBreakerState != .closed)
        #expect(during.leaseBreakerState == .closed)
        #expect(after.word == "leads" && later.writeBreakerState == .closed)
        #expect(scene.log.count(containing: "redis: refuses writes, reads go on: OOM") == 2)
        #expect(scene.log.count(containing: "redis: down") == 0)
    }

    @Test("a read-only replica still hands out what it has, and nobody leads there")
    func readOnly() async throws {
        let scene = try await LeaseScene()
        await scene.alice.set(scene.key, scene.answer())
        let seen = try #require(await scene.alice.acquire(Sample.key(3), for: attempt(3), needed: .zero).sight)
        await scene.admin.command("REPLICAOF", "127.0.0.1", String(try freePort()))
        let replies = await self.replies(scene, seen)
        let renewed = await scene.alice.renew(Sample.key(3), for: attempt(3))
        let commit = await scene.alice.commit(Sample.key(3), for: attempt(3), scene.answer(3), end: nil)
        await scene.alice.abort(Sample.key(3), for: attempt(3), nil)
        let purged = await scene.bob.purge(scene.key)
        let status = scene.bob.status()
        await scene.admin.command("REPLICAOF", "NO", "ONE")
        let after = await scene.bob.acquire(Sample.key(2), for: attempt(8), needed: .zero)
        await scene.end()

        #expect(replies == ["hit", "unavailable", "unavailable", "unavailable", "follows"])
        #expect(renewed == .unavailable && commit == .unavailable && !purged)
        #expect(status.breakerState == .closed && status.leaseBreakerState == .closed)
        #expect(after.word == "leads")
        #expect(scene.log.count(containing: "redis: refuses writes, reads go on: READONLY") == 2)
    }

    /// A good answer, a key with nothing, a free lease to steal, a lease to be stolen, and one that another has.
    private func replies(_ scene: LeaseScene, _ seen: LeaseSight) async -> [String] {
        let gone = LeaseSight(attempt: attempt(5), heartbeat: 0, pod: PodID(1))
        return await [
            scene.bob.acquire(scene.key, for: attempt(4), needed: .zero).word,
            scene.bob.acquire(Sample.key(2), for: attempt(4), needed: .zero).word,
            scene.bob.steal(Sample.key(2), seen: gone, for: attempt(4), needed: .zero).word,
            scene.bob.steal(Sample.key(3), seen: seen, for: attempt(4), needed: .zero).word,
            scene.bob.acquire(Sample.key(3), for: attempt(4), needed: .zero).word,
        ]
    }

    // MARK: Silence and rights

    @Test("a frozen server keeps nobody: every call comes back while it stands still")
    func frozen() async throws {
        let scene = try await LeaseScene()
        var settings = RedisSettings.hasty(scene.server.url)
        settings.breaker = Breaker.Settings(failureMax: .max)
        let store = try RedisStore.forTest(settings)
        await store.eventually { await store.ping() != nil }
        scene.server.freeze()
        let sight = LeaseSight(attempt: attempt(2), heartbeat: 0, pod: PodID(1))
        let acquired = await store.acquire(scene.key, for: attempt(1), needed: .zero)
        let stolen = await store.steal(scene.key, seen: sight, for: attempt(1), needed: .zero)
        let renewed = await store.renew(scene.key, for: attempt(1))
        let commit = await store.commit(scene.key, for: attempt(1), scene.answer(), end: nil)
        await store.abort(scene.key, for: attempt(1), nil)
        let published = await store.publish(scene.key, attempt(1), [.failed(.cut, isRetryable: true)])
        let purged = await store.purge(scene.key)
        let (news, continuation) = AsyncStream.makeStream(of: String.self)
        let following = store.follow(scene.key, sight) { news in
            if case .unavailable = news { continuation.yield("unavailable") } else { continuation.yield("other") }
        }
        await store.keepFollowing(following)
        var first: String?
        for await word in news {
            first = word
            break
        }
        store.unfollow(following)
        scene.server.thaw()
        await store.shutdown()
        await scene.end()
        #expect(acquired.word == "unavailable" && stolen.word == "unavailable")
        #expect(renewed == .unavailable && commit == .unavailable && !published && !purged)
        #expect(first == "unavailable")
    }

    @Test(
        "a user who may not run scripts or write streams leases nothing, reads and writes as before, and one line says so",
        arguments: [["-evalsha"], ["-eval", "-evalsha"], ["-xadd"], ["-zadd"]])
    func rights(missing: [String]) async throws {
        let scene = try await LeaseScene(user: "samovar")
        let sight = LeaseSight(attempt: attempt(90), heartbeat: 0, pod: PodID(1))
        for right in missing { await scene.admin.command("ACL", "SETUSER", "samovar", right) }
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        _ = await scene.alice.publish(scene.key, attempt(1), [.failed(.cut, isRetryable: true)])
        let following = scene.alice.follow(scene.key, sight) { _ in }
        await scene.alice.keepFollowing(following)
        scene.alice.unfollow(following)
        var words: Set<String> = []
        for number in 2..<20 {
            // Time for a probe again and again.
            if number % 5 == 0 { scene.clock.advance(by: .seconds(61)) }
            words.insert(
                await scene.alice.acquire(Sample.key(number), for: attempt(UInt64(number)), needed: .zero).word)
        }
        let answer = scene.answer()
        await scene.alice.set(scene.key, answer)
        let found = await scene.alice.get(scene.key)
        let during = scene.alice.status()
        for right in missing { await scene.admin.command("ACL", "SETUSER", "samovar", "+" + right.dropFirst()) }
        scene.clock.advance(by: .seconds(61))
        let after = await scene.alice.acquire(Sample.key(50), for: attempt(50), needed: .zero)
        let later = scene.alice.status()
        await scene.end()

        #expect(words == ["unavailable"])
        #expect(same(found?.answer, answer))
        #expect(during.breakerState == .closed && during.leaseBreakerState != .closed)
        #expect(after.word == "leads" && later.leaseBreakerState == .closed)
        #expect(scene.log.count(containing: "does not let us lease, every process calls for itself: NOPERM") == 1)
        #expect(scene.log.count(containing: "lets us lease again") == 1)
    }

    /// Remembers what was asked about which attempt, and counts.
    private final class Asked: Sendable {
        private let questions = Lock<[String: [String]]>([:])

        func add(_ question: String, about attempt: Substring) -> Int {
            questions.withLock { questions in
                questions[String(attempt), default: []].append(question)
                return questions[String(attempt)]?.count ?? 0
            }
        }

        func all(about attempt: String) -> [String] { questions.withLock { $0[attempt] ?? [] } }
    }
}
