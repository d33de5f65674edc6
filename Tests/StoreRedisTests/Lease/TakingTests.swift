import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Taking a lease", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct TakingTests {
    @Test("a lease that nobody has is taken, and written with the attempt, its first heartbeat, its pod and an end")
    func free() async throws {
        let scene = try await LeaseScene()
        let reply = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let written = await scene.ask("GET", scene.names.lease)
        let life = await scene.ask("PTTL", scene.names.lease)
        let status = scene.alice.status().leases
        await scene.end()

        #expect(reply.word == "leads" && reply.stored == nil)
        #expect(reply.sight == LeaseSight(attempt: attempt(1), heartbeat: 0, pod: scene.alice.pod))
        #expect(written == .bulk(LeaseText.head(of: attempt(1)) + Array("0:".utf8) + scene.alice.pod.hexadecimal))
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 0 && milliseconds <= 10_000)
        #expect(status.acquiredCount == 1 && status.followedCount == 0)
    }

    @Test("a lease that another attempt has is followed, on whichever pod")
    func taken() async throws {
        let scene = try await LeaseScene()
        let first = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let others = await [
            scene.bob.acquire(scene.key, for: attempt(2), needed: .zero),
            scene.alice.acquire(scene.key, for: attempt(3), needed: nil),
        ]
        let elsewhere = await scene.bob.acquire(Sample.key(2), for: attempt(4), needed: .zero)
        let status = scene.bob.status().leases
        await scene.end()

        #expect(others.map(\.word) == ["follows", "follows"])
        #expect(others.map(\.sight) == [first.sight, first.sight])
        #expect(elsewhere.word == "leads")
        #expect(status.followedCount == 1 && status.acquiredCount == 1)
    }

    @Test("asking once more under the same attempt changes nothing")
    func again() async throws {
        let scene = try await LeaseScene()
        let first = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let again = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        _ = await scene.alice.renew(scene.key, for: attempt(1))
        let late = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let stolen = await scene.bob.steal(
            scene.key, seen: try #require(late.sight), for: attempt(2), needed: .zero)
        let stolenAgain = await scene.bob.steal(
            scene.key, seen: try #require(late.sight), for: attempt(2), needed: .zero)
        let takeovers = await scene.ask("GET", scene.names.takeovers)
        await scene.end()

        #expect(first.word == "leads" && again.word == "leads" && again.sight == first.sight)
        #expect(late.word == "leads" && late.sight?.heartbeat == 1)
        #expect(stolen.word == "leads" && stolenAgain.word == "leads" && stolenAgain.sight == stolen.sight)
        #expect(takeovers == .bulk(Array("1".utf8)))
    }

    @Test("of fifty who ask at once one leads, and all others follow that one")
    func race() async throws {
        let scene = try await LeaseScene()
        for round in 0..<10 {
            let key = Sample.key(100 + round)
            let replies = await withTaskGroup(of: LeaseReply.self) { group in
                for number in 0..<50 {
                    let store = number % 2 == 0 ? scene.alice : scene.bob
                    group.addTask { await store.acquire(key, for: attempt(UInt64(number)), needed: .zero) }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            let leading = replies.filter { $0.word == "leads" }
            #expect(leading.count == 1)
            #expect(replies.allSatisfy { $0.sight == leading.first?.sight })
        }
        await scene.end()
    }

    @Test("of fifty who take the same dead lease at once one gets it")
    func stealingRace() async throws {
        let scene = try await LeaseScene()
        let dead = try #require(await scene.alice.acquire(scene.key, for: attempt(99), needed: .zero).sight)
        let replies = await withTaskGroup(of: LeaseReply.self) { group in
            for number in 0..<50 {
                let store = number % 2 == 0 ? scene.alice : scene.bob
                group.addTask {
                    await store.steal(scene.key, seen: dead, for: attempt(UInt64(number)), needed: .zero)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let takeovers = await scene.ask("GET", scene.names.takeovers)
        let stolen = scene.alice.status().leases.stolenCount + scene.bob.status().leases.stolenCount
        await scene.end()
        let leading = replies.filter { $0.word == "leads" }
        #expect(leading.count == 1 && stolen == 1)
        #expect(replies.allSatisfy { $0.sight == leading.first?.sight })
        #expect(takeovers == .bulk(Array("1".utf8)))
    }

    // MARK: Answers

    /// Stores an answer with a ttl of one hour and a stale ttl of one minute, and lets Redis keep it this much longer.
    private func store(_ scene: LeaseScene, life: Duration) async -> Answer {
        let answer = scene.answer()
        await scene.alice.set(scene.key, answer)
        await scene.ask("PEXPIRE", scene.names.answer, String(life.milliseconds))
        return answer
    }

    @Test("a good answer is a hit for everybody, and no lease is taken")
    func hit() async throws {
        let scene = try await LeaseScene()
        let answer = await store(scene, life: .seconds(3_660))
        let replies = await [
            scene.bob.acquire(scene.key, for: attempt(1), needed: .zero),
            scene.bob.acquire(scene.key, for: attempt(2), needed: .seconds(3_000)),
            scene.bob.steal(
                scene.key, seen: LeaseSight(attempt: attempt(9), heartbeat: 4, pod: PodID(1)), for: attempt(3),
                needed: .zero),
        ]
        let isLeased = await scene.exists(scene.names.lease)
        let status = scene.bob.status().leases
        await scene.end()
        #expect(replies.map(\.word) == ["hit", "hit", "hit"])
        #expect(replies.allSatisfy { same($0.stored?.answer, answer) })
        #expect(!isLeased)
        #expect(status.hitCount == 3 && status.acquiredCount == 0)
    }

    @Test(
        "an answer that is not fresh enough comes along, with the lease and without, in one round trip",
        arguments: [
            (left: 90, needed: Duration.seconds(31)), (left: 61, needed: .seconds(1)), (left: 60, needed: .zero),
            (left: 59, needed: .zero), (left: 3_660, needed: nil),
        ])
    func notFreshEnough(left: Int, needed: Duration?) async throws {
        let scene = try await LeaseScene()
        let answer = await store(scene, life: .seconds(left))
        let leads = await scene.alice.acquire(scene.key, for: attempt(1), needed: needed)
        let follows = await scene.bob.acquire(scene.key, for: attempt(2), needed: needed)
        let now = scene.clock.now
        let askedCount = await scene.callCount("evalsha")
        await scene.end()
        #expect(leads.word == "leads" && follows.word == "follows")
        // Redis judges by itself: one round trip each.
        #expect(askedCount == 2)
        for reply in [leads, follows] {
            #expect(same(reply.stored?.answer, answer))
            let remaining = now.duration(to: reply.stored?.freshness.diesAt ?? now)
            #expect(remaining <= .seconds(left) && remaining > .seconds(left - 50))
        }
    }

    @Test("with one second more it is fresh enough")
    func freshEnough() async throws {
        let scene = try await LeaseScene()
        _ = await store(scene, life: .seconds(120))
        let reply = await scene.bob.acquire(scene.key, for: attempt(1), needed: .seconds(10))
        await scene.end()
        #expect(reply.word == "hit")
    }

    @Test("what Redis takes for good and the answer itself does not is no hit: the lease is taken in its stead")
    func judgedByItself() async throws {
        let scene = try await LeaseScene()
        let answer = await store(scene, life: .seconds(3_660))
        await scene.ask("PERSIST", scene.names.answer)
        scene.clock.setWall(forward: .seconds(3_610))
        let stale = await scene.bob.acquire(scene.key, for: attempt(1), needed: .zero)
        await scene.bob.abort(scene.key, for: attempt(1), nil)
        scene.clock.setWall(forward: .seconds(60))
        let dead = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        await scene.end()
        #expect(stale.word == "leads" && same(stale.stored?.answer, answer))
        #expect(dead.word == "leads" && dead.stored == nil)
    }

    @Test("a damaged answer, another key's and another version's are none: the lease is taken")
    func damaged() async throws {
        let scene = try await LeaseScene()
        await scene.bob.eventually { scene.bob.status().liveConnectionCount == 2 }
        var words: [String] = []
        var stored = 0
        for (number, change) in [(0, 150), (1, 10), (2, 4), (3, 0)] {
            let key = Sample.key(10 + number)
            let name = KeyName(keyPrefix: "samovar:").names(key).answer
            var bytes = StoredValue.encode(scene.answer(), for: number == 1 ? scene.key : key)
            if number != 1 { bytes[change] ^= 2 }
            _ = await scene.admin.bytes([Array("SET".utf8), name, bytes, Array("PX".utf8), Array("3660000".utf8)])
            let reply = await scene.bob.acquire(key, for: attempt(UInt64(number)), needed: .zero)
            words.append(reply.word)
            if reply.stored != nil { stored += 1 }
        }
        let status = scene.bob.status()
        await scene.end()
        #expect(words == ["leads", "leads", "leads", "leads"])
        #expect(stored == 0)
        #expect(status.damaged[.checksum] ?? 0 > 0 && status.damaged[.key] ?? 0 > 0)
        #expect(status.damaged[.version] ?? 0 > 0 && status.damaged[.magic] ?? 0 > 0)
        #expect(status.breakerState == .closed)
    }

    @Test("what is not ours under our names is written over, and counts as nothing")
    func otherTypes() async throws {
        let scene = try await LeaseScene()
        await scene.ask("RPUSH", scene.names.answer, "x")
        await scene.ask("RPUSH", scene.names.lease, "x")
        let reply = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(), end: nil)
        let hit = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        await scene.ask("SET", Sample.name(2).lease, "garbage")
        let strange = await scene.bob.acquire(Sample.key(2), for: attempt(3), needed: .zero)
        let status = scene.bob.status()
        await scene.end()
        #expect(reply.word == "leads" && commit == .stored && hit.word == "hit")
        #expect(strange.word == "unavailable")
        #expect(status.breakerState == .closed && status.leaseBreakerState == .closed)
    }

    // MARK: Stealing

    @Test("a lease is taken from its holder only as it was seen: same attempt, same heartbeat")
    func steal() async throws {
        let scene = try await LeaseScene()
        let seen = try #require(await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero).sight)
        _ = await scene.alice.renew(scene.key, for: attempt(1))
        let renewed = await scene.bob.steal(scene.key, seen: seen, for: attempt(2), needed: .zero)
        let other = await scene.bob.steal(
            scene.key, seen: LeaseSight(attempt: attempt(7), heartbeat: 1, pod: seen.pod), for: attempt(2),
            needed: .zero)
        let now = try #require(renewed.sight)
        let taken = await scene.bob.steal(scene.key, seen: now, for: attempt(2), needed: .zero)
        let lost = await scene.alice.renew(scene.key, for: attempt(1))
        let status = scene.bob.status().leases
        await scene.end()

        #expect(renewed.word == "follows" && renewed.sight?.heartbeat == 1)
        #expect(other.word == "follows" && other.sight == now)
        #expect(taken.word == "leads" && taken.sight?.attempt == attempt(2) && taken.sight?.heartbeat == 0)
        #expect(lost == .lost)
        #expect(status.stolenCount == 1)
    }

    @Test("a heartbeat is compared whole: 1 is not 12")
    func wholeHeartbeat() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        for _ in 0..<12 { _ = await scene.alice.renew(scene.key, for: attempt(1)) }
        let seen = LeaseSight(attempt: attempt(1), heartbeat: 1, pod: scene.alice.pod)
        let reply = await scene.bob.steal(scene.key, seen: seen, for: attempt(2), needed: .zero)
        await scene.end()
        #expect(reply.word == "follows" && reply.sight?.heartbeat == 12)
    }

    @Test("a lease that is gone is taken, and counts as a takeover")
    func stealNothing() async throws {
        let scene = try await LeaseScene()
        let seen = LeaseSight(attempt: attempt(1), heartbeat: 3, pod: PodID(5))
        let reply = await scene.bob.steal(scene.key, seen: seen, for: attempt(2), needed: nil)
        let takeovers = await scene.ask("GET", scene.names.takeovers)
        let life = await scene.ask("PTTL", scene.names.takeovers)
        await scene.end()
        #expect(reply.word == "leads")
        #expect(takeovers == .bulk(Array("1".utf8)))
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 0 && milliseconds <= 600_000)
    }

    @Test("after three takeovers the request is suspected, by those who wait and by those who come, until time passes")
    func poison() async throws {
        let scene = try await LeaseScene()
        var seen = try #require(await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero).sight)
        var words: [String] = []
        for number in 2...6 {
            let reply = await scene.bob.steal(scene.key, seen: seen, for: attempt(UInt64(number)), needed: .zero)
            words.append(reply.word)
            seen = reply.sight ?? seen
        }
        let following = await scene.alice.acquire(scene.key, for: attempt(10), needed: .zero)
        await scene.ask("DEL", scene.names.lease)
        let later = await scene.alice.acquire(scene.key, for: attempt(11), needed: .zero)
        let other = await scene.alice.acquire(Sample.key(2), for: attempt(12), needed: .zero)
        await scene.ask("DEL", scene.names.takeovers)
        let muchLater = await scene.alice.acquire(scene.key, for: attempt(13), needed: .zero)
        let status = scene.bob.status().leases
        await scene.end()

        #expect(words == ["leads", "leads", "leads", "poisoned", "poisoned"])
        #expect(following.word == "follows")
        #expect(later.word == "poisoned")
        #expect(other.word == "leads" && muchLater.word == "leads")
        #expect(status.stolenCount == 3 && status.poisonedCount == 2)
    }
}
