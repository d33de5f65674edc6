import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Keeping a lease and giving it back",
    .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)), .timeLimit(.minutes(2)))
struct KeepingTests {
    @Test("every renewal is seen as one more heartbeat, and gives the lease its whole life again")
    func renew() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        await scene.ask("PEXPIRE", scene.names.lease, "5000")
        var replies: [RenewReply] = []
        for _ in 0..<11 { replies.append(await scene.alice.renew(scene.key, for: attempt(1))) }
        let seen = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        let life = await scene.ask("PTTL", scene.names.lease)
        await scene.end()
        #expect(replies.allSatisfy { $0 == .renewed(isFollowed: false) })
        #expect(seen.sight == LeaseSight(attempt: attempt(1), heartbeat: 11, pod: scene.alice.pod))
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 5_000)
    }

    @Test("a renewal tells whether a pod follows, and forgets a pod that has not said so for long")
    func isFollowed() async throws {
        let scene = try await LeaseScene()
        let sight = try #require(await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero).sight)
        let alone = await scene.alice.renew(scene.key, for: attempt(1))
        let following = scene.bob.follow(scene.key, sight) { _ in }
        await scene.bob.keepFollowing(following)
        let followed = await scene.alice.renew(scene.key, for: attempt(1))
        let life = await scene.ask("PTTL", scene.names.followers(attempt(1)))
        scene.bob.unfollow(following)
        // By Redis's own clock its time is over.
        let pod = String(decoding: scene.bob.pod.hexadecimal, as: UTF8.self)
        await scene.ask("ZADD", scene.names.followers(attempt(1)), "1000", pod)
        let left = await scene.alice.renew(scene.key, for: attempt(1))
        await scene.end()
        #expect(alone == .renewed(isFollowed: false))
        #expect(followed == .renewed(isFollowed: true))
        #expect(left == .renewed(isFollowed: false))
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 0 && milliseconds <= 15_000)
    }

    @Test("a lease that is nobody's, another's or unreadable is lost")
    func lost() async throws {
        let scene = try await LeaseScene()
        let nobody = await scene.alice.renew(scene.key, for: attempt(1))
        _ = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        let another = await scene.alice.renew(scene.key, for: attempt(1))
        await scene.ask("DEL", scene.names.lease)
        await scene.ask("RPUSH", scene.names.lease, "x")
        let unreadable = await scene.alice.renew(scene.key, for: attempt(1))
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(), end: nil)
        let written = await scene.exists(scene.names.answer)
        await scene.end()
        #expect(nobody == .lost && another == .lost && unreadable == .lost && commit == .lost)
        #expect(!written)
    }

    @Test("a commit stores the answer for what is left of its life and gives the lease back")
    func commit() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let answer = scene.answer()
        let reply = await scene.alice.commit(scene.key, for: attempt(1), answer, end: nil)
        let isLeased = await scene.exists(scene.names.lease)
        let life = await scene.ask("PTTL", scene.names.answer)
        let found = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        let plain = await scene.bob.get(scene.key)
        let hasStream = await scene.exists(scene.names.stream(attempt(1)))
        let again = await scene.alice.commit(scene.key, for: attempt(1), answer, end: nil)
        let status = scene.alice.status()
        await scene.end()
        #expect(reply == .stored && !isLeased && !hasStream)
        #expect(found.word == "hit" && same(found.stored?.answer, answer) && same(plain?.answer, answer))
        #expect(again == .lost)
        #expect(status.writtenCount == 1 && status.leases.lostCommitCount == 1)
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 3_600_000 && milliseconds <= 3_660_000)
    }

    @Test("a commit without an answer, with one that is too large or has lived its life, gives the lease back alone")
    func commitNothing() async throws {
        let scene = try await LeaseScene()
        var replies: [CommitReply] = []
        let dead = scene.answer()
        scene.clock.setWall(forward: .seconds(4_000))
        for (number, answer) in [nil, scene.answer(size: 2 << 20), dead].enumerated() {
            _ = await scene.alice.acquire(scene.key, for: attempt(UInt64(number)), needed: .zero)
            replies.append(await scene.alice.commit(scene.key, for: attempt(UInt64(number)), answer, end: nil))
        }
        let isLeased = await scene.exists(scene.names.lease)
        let isWritten = await scene.exists(scene.names.answer)
        let status = scene.alice.status()
        await scene.end()
        #expect(replies == [.stored, .stored, .stored])
        #expect(!isLeased && !isWritten)
        #expect(status.tooLargeCount == 1)
    }

    @Test("who comes back from the dead stores nothing, and leaves the new lease alone")
    func zombie() async throws {
        let scene = try await LeaseScene()
        let seen = try #require(await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero).sight)
        _ = await scene.bob.steal(scene.key, seen: seen, for: attempt(2), needed: .zero)
        let zombie = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(1), end: nil)
        await scene.alice.abort(scene.key, for: attempt(1), nil)
        let isWritten = await scene.exists(scene.names.answer)
        let renewed = await scene.bob.renew(scene.key, for: attempt(2))
        let answer = scene.answer(2)
        let stored = await scene.bob.commit(scene.key, for: attempt(2), answer, end: nil)
        let late = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(1), end: nil)
        let found = await scene.alice.get(scene.key)
        let status = scene.alice.status().leases
        await scene.end()
        #expect(zombie == .lost && !isWritten)
        #expect(renewed == .renewed(isFollowed: false) && stored == .stored)
        #expect(late == .lost && same(found?.answer, answer))
        #expect(status.lostCommitCount == 2)
    }

    @Test("an abort gives the lease back at once")
    func abort() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        await scene.alice.abort(scene.key, for: attempt(1), nil)
        let next = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        let hasStream = await scene.exists(scene.names.stream(attempt(1)))
        await scene.end()
        #expect(next.word == "leads" && !hasStream)
    }

    @Test("a purge takes the answer, and what is under way is not stored either")
    func purge() async throws {
        let scene = try await LeaseScene()
        await scene.alice.set(scene.key, scene.answer(1))
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: nil)
        let purged = await scene.bob.purge(scene.key)
        let found = await scene.bob.get(scene.key)
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(2), end: nil)
        let after = await scene.bob.get(scene.key)
        let renewed = await scene.alice.renew(scene.key, for: attempt(1))
        let empty = await scene.bob.purge(scene.key)
        await scene.end()
        #expect(purged && empty)
        #expect(found == nil && after == nil)
        #expect(commit == .lost && renewed == .lost)
    }

    @Test("what was begun without a lease before a purge is not stored after it, and is elsewhere")
    func unmarked() async throws {
        let scene = try await LeaseScene()
        await scene.alice.setUnmarked(scene.key, scene.answer(1))
        let before = await scene.bob.get(scene.key)
        _ = await scene.bob.purge(scene.key)
        await scene.alice.setUnmarked(scene.key, scene.answer(2))
        let after = await scene.bob.get(scene.key)
        // By hand, and under a lease that was had after it, is another matter.
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(3), end: nil)
        let later = await scene.bob.get(scene.key)
        await scene.end()
        #expect(before != nil && after == nil)
        #expect(commit == .stored && later != nil)
    }

    @Test("a question that was long on its way takes no lease that was purged, nor one whose stream is over")
    func hadItsTime() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        _ = await scene.bob.purge(scene.key)
        let purged = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let other = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        _ = await scene.bob.publish(scene.key, attempt(2), [.failed(.cut, isRetryable: true)])
        await scene.bob.abort(scene.key, for: attempt(2), nil)
        let over = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        let next = await scene.bob.acquire(scene.key, for: attempt(3), needed: .zero)
        await scene.end()
        #expect([purged, other, over, next].map(\.word) == ["unavailable", "leads", "unavailable", "leads"])
    }

    @Test("whoever goes away, a lease is taken and given back: a cancelled task leads, commits and aborts")
    func cancelled() async throws {
        let scene = try await LeaseScene()
        let answer = scene.answer()
        _ = await scene.alice.acquire(Sample.key(2), for: attempt(2), needed: .zero)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            guard case .leads = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero) else {
                return CommitReply.unavailable
            }
            await scene.alice.abort(Sample.key(2), for: attempt(2), nil)
            return await scene.alice.commit(scene.key, for: attempt(1), answer, end: nil)
        }
        task.cancel()
        let reply = await task.value
        let isLeased = await scene.exists(Sample.name(2).lease)
        let found = await scene.bob.get(scene.key)
        await scene.end()
        #expect(reply == .stored && same(found?.answer, answer))
        #expect(!isLeased)
    }
}
