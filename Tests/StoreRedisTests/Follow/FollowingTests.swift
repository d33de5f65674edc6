import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Following another pod", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct FollowingTests {
    private let form = PublishedForm(.stream, usageAsked: true)

    private func chunk(_ number: Int) -> Chunk {
        Chunk(
            bytes: Array("data: {\"id\":\"x\",\"choices\":[{\"delta\":{\"content\":\" \(number)\"}}]}\n\n".utf8),
            usage: number % 50 == 49 ? .whole : .nowhere)
    }

    private func chunks(_ range: Range<Int>) -> PublishedEntry {
        .chunks(first: range.lowerBound, form, range.map(chunk))
    }

    private func end(_ count: Int) -> PublishedEntry {
        .end(count: count, form, usage: Usage(promptTokenCount: 3, completionTokenCount: count), isStored: true)
    }

    /// Alice leads, Bob follows.
    private func followed(_ scene: LeaseScene, _ heard: Heard) async throws -> Following {
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let sight = try #require(await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero).sight)
        return scene.bob.follow(scene.key, sight) { heard.receive($0) }
    }

    @Test("a leading pod that is told that somebody follows publishes 200 chunks, and the follower gets exactly these")
    func wholeWay() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        let interest = Bell()
        scene.alice.announce(attempt(1)) { interest.ring() }
        _ = await scene.alice.news.listens()
        let following = try await followed(scene, heard)
        await interest.rung()
        // What was there before, then what comes: in pieces of all sizes.
        var published: [Bool] = [await scene.alice.publish(scene.key, attempt(1), [chunks(0..<30)])]
        var next = 30
        while next < 200 {
            let count = min(200 - next, 1 + next % 7)
            published.append(await scene.alice.publish(scene.key, attempt(1), [chunks(next..<next + count)]))
            next += count
        }
        let answer = scene.answer()
        let commit = await scene.alice.commit(scene.key, for: attempt(1), answer, end: end(200))
        let entries = await heard.entries()
        scene.bob.unfollow(following)
        scene.alice.withdraw(attempt(1))
        let found = await scene.bob.acquire(scene.key, for: attempt(2), needed: .zero)
        let life = await scene.ask("PTTL", scene.names.stream(attempt(1)))
        let status = scene.alice.status().leases
        await scene.end()

        var got: [Chunk] = []
        for entry in entries.dropLast() {
            guard case .chunks(let first, form, let some) = entry else {
                Issue.record("not chunks of this form")
                return
            }
            #expect(first == got.count)
            got += some
        }
        #expect(got == (0..<200).map(chunk))
        #expect(entries.last == end(200))
        #expect(published.allSatisfy { $0 } && commit == .stored)
        #expect(found.word == "hit" && same(found.stored?.answer, answer))
        #expect(interest.ringCount == 1 && status.publishedCount == published.count)
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 0 && milliseconds <= 60_000)
    }

    @Test("who comes late gets all from the beginning")
    func late() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        for number in 0..<100 { _ = await scene.alice.publish(scene.key, attempt(1), [chunks(number..<number + 1)]) }
        let heard = Heard()
        let following = try await followed(scene, heard)
        await scene.alice.abort(scene.key, for: attempt(1), .failed(.timedOut(.betweenTokens), isRetryable: true))
        let entries = await heard.entries()
        scene.bob.unfollow(following)
        await scene.end()
        #expect(entries.dropLast() == (0..<100).map { chunks($0..<$0 + 1) }[...])
        #expect(entries.last == .failed(.timedOut(.betweenTokens), isRetryable: true))
    }

    @Test("many streams are read side by side, and none gets what is another's")
    func many() async throws {
        let scene = try await LeaseScene()
        let heard = (0..<100).map { _ in Heard() }
        for (number, heard) in heard.enumerated() {
            let reply = await scene.alice.acquire(
                Sample.key(number), for: attempt(UInt64(number)), needed: .zero)
            _ = scene.bob.follow(Sample.key(number), try #require(reply.sight)) { heard.receive($0) }
        }
        await withTaskGroup(of: Void.self) { group in
            for number in heard.indices {
                group.addTask {
                    let (key, attempt) = (Sample.key(number), attempt(UInt64(number)))
                    for first in [0, 5] {
                        _ = await scene.alice.publish(key, attempt, [chunks(number + first..<number + first + 5)])
                    }
                    _ = await scene.alice.commit(key, for: attempt, nil, end: end(number))
                }
            }
        }
        var wrong = 0
        for (number, heard) in heard.enumerated() {
            let expected = [chunks(number..<number + 5), chunks(number + 5..<number + 10), end(number)]
            if await heard.entries() != expected { wrong += 1 }
        }
        await scene.end()
        #expect(wrong == 0)
    }

    @Test("a trimmed beginning shows as a gap")
    func trimmed() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        for number in 0..<10 { _ = await scene.alice.publish(scene.key, attempt(1), [chunks(number..<number + 1)]) }
        await scene.ask("XTRIM", scene.names.stream(attempt(1)), "MAXLEN", "4")
        let heard = Heard()
        _ = try await followed(scene, heard)
        _ = await scene.alice.commit(scene.key, for: attempt(1), nil, end: end(10))
        let entries = await heard.entries()
        await scene.end()
        #expect(entries == (6..<10).map { chunks($0..<$0 + 1) } + [end(10)])
    }

    @Test("Redis keeps no more entries of one attempt than about four thousand")
    func longStream() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        for first in stride(from: 0, to: 5_000, by: 50) {
            _ = await scene.alice.publish(
                scene.key, attempt(1), (first..<first + 50).map { chunks($0..<$0 + 1) })
        }
        let length = await scene.ask("XLEN", scene.names.stream(attempt(1)))
        await scene.end()
        guard case .integer(let count) = length else {
            Issue.record("no stream")
            return
        }
        #expect(count >= 4_096 && count < 4_400)
    }

    @Test(
        "what is not this attempt's, or damaged, is never handed on: the stream is unreadable and no more comes",
        arguments: ["garbled", "another attempt's", "another key's", "a stranger's", "repeated"])
    func unreadable(how: String) async throws {
        let scene = try await LeaseScene()
        let stream = scene.names.stream(attempt(1))
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<3)])
        let wrong: [UInt8] =
            switch how {
            case "garbled":
                StreamEntry.encode(chunks(3..<4), index: 1, of: attempt(1), for: scene.key, seal: Seal()).map { $0 ^ 1 }
            case "another attempt's":
                StreamEntry.encode(chunks(3..<4), index: 1, of: attempt(2), for: scene.key, seal: Seal())
            case "another key's":
                StreamEntry.encode(chunks(3..<4), index: 1, of: attempt(1), for: Sample.key(2), seal: Seal())
            case "repeated":
                StreamEntry.encode(chunks(0..<3), index: 0, of: attempt(1), for: scene.key, seal: Seal())
            default: Array("hello".utf8)
            }
        let heard = Heard()
        _ = try await followed(scene, heard)
        let first = await heard.words { if case .entry = $0 { true } else { false } }
        _ = await scene.admin.bytes([Array("XADD".utf8), stream, Array("*".utf8), Array("e".utf8), wrong])
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(3..<4)])
        let second = await heard.words { $0 == .unreadable }
        let status = scene.bob.status()
        await scene.end()
        #expect(first.last == .entry(chunks(0..<3)))
        #expect(second.last == .unreadable)
        #expect(!second.contains { if case .entry = $0 { true } else { false } })
        #expect(status.breakerState == .closed)
    }

    @Test("streams that change names are unreadable to those who follow either")
    func swapped() async throws {
        let scene = try await LeaseScene()
        let streams = [scene.names.stream(attempt(1)), scene.names.stream(attempt(2))]
        for number in 1...2 {
            _ = await scene.alice.publish(scene.key, attempt(UInt64(number)), [chunks(0..<3)])
        }
        _ = await scene.admin.bytes([Array("RENAME".utf8), streams[0], Array("aside".utf8)])
        _ = await scene.admin.bytes([Array("RENAME".utf8), streams[1], streams[0]])
        _ = await scene.admin.bytes([Array("RENAME".utf8), Array("aside".utf8), streams[1]])
        let heard = [Heard(), Heard()]
        for (number, heard) in heard.enumerated() {
            _ = scene.bob.follow(
                scene.key, LeaseSight(attempt: attempt(UInt64(number + 1)), heartbeat: 0, pod: scene.alice.pod)
            ) { heard.receive($0) }
        }
        let words = await [heard[0].words { _ in true }, heard[1].words { _ in true }]
        await scene.end()
        #expect(words == [[.unreadable], [.unreadable]])
    }

    @Test("the lease is shown now and again: renewed, taken over, and gone with all that Redis held")
    func sights() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        _ = try await followed(scene, heard)
        _ = await scene.alice.renew(scene.key, for: attempt(1))
        let renewed = LeaseSight(attempt: attempt(1), heartbeat: 1, pod: scene.alice.pod)
        let first = await heard.words { $0 == .sight(renewed) }
        _ = await scene.bob.steal(scene.key, seen: renewed, for: attempt(2), needed: .zero)
        let stolen = LeaseSight(attempt: attempt(2), heartbeat: 0, pod: scene.bob.pod)
        let second = await heard.words { $0 == .sight(stolen) }
        await scene.admin.command("FLUSHALL")
        let third = await heard.words { $0 == .sight(nil) }
        let again = await scene.alice.acquire(scene.key, for: attempt(3), needed: .zero)
        await scene.end()
        #expect(first.last == .sight(renewed) && second.last == .sight(stolen) && third.last == .sight(nil))
        #expect(again.word == "leads")
    }

    @Test("after FLUSHALL the rest of a stream shows as a gap, never as a beginning")
    func flushed() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        _ = try await followed(scene, heard)
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<3)])
        let before = await heard.words { if case .entry = $0 { true } else { false } }
        await scene.admin.command("FLUSHALL")
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(3..<5)])
        let late = Heard()
        _ = scene.bob.follow(
            scene.key, LeaseSight(attempt: attempt(1), heartbeat: 0, pod: scene.alice.pod)
        ) { late.receive($0) }
        let lateWords = await late.words { if case .entry = $0 { true } else { false } }
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(), end: end(5))
        await scene.end()
        #expect(before.last == .entry(chunks(0..<3)))
        #expect(lateWords.last == .entry(chunks(3..<5)))
        #expect(commit == .lost)
    }

    @Test("who has stopped following hears no more, and nothing is asked of Redis any more")
    func unfollowed() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        let following = try await followed(scene, heard)
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<1)])
        _ = await heard.words { if case .entry = $0 { true } else { false } }
        scene.bob.unfollow(following)
        scene.bob.unfollow(following)
        await scene.bob.keepFollowing(following)
        // The round that was under way ends; after it there is none.
        _ = await scene.bob.renew(scene.key, for: attempt(9))
        let before = await scene.callCount("xread")
        for number in 1..<20 { _ = await scene.alice.publish(scene.key, attempt(1), [chunks(number..<number + 1)]) }
        let after = await scene.callCount("xread")
        await scene.end()
        #expect(after - before <= 1)
    }

    @Test("an attempt whose entry may be missing publishes nothing more")
    func broken() async throws {
        let scene = try await LeaseScene()
        let large = Chunk(bytes: [UInt8](repeating: 1, count: StreamEntry.rawByteMax + 1))
        let replies = await [
            scene.alice.publish(scene.key, attempt(1), [chunks(0..<1)]),
            scene.alice.publish(scene.key, attempt(1), []),
            scene.alice.publish(scene.key, attempt(1), [.chunks(first: 1, form, [large])]),
            scene.alice.publish(scene.key, attempt(1), [chunks(2..<3)]),
            scene.alice.publish(scene.key, attempt(2), [.chunks(first: 0, form, [large])]),
            scene.alice.publish(scene.key, attempt(2), [chunks(1..<2)]),
        ]
        await scene.ask("SET", scene.names.stream(attempt(3)), "x")
        let refused = await [
            scene.alice.publish(scene.key, attempt(3), [chunks(0..<1)]),
            scene.alice.publish(scene.key, attempt(3), [chunks(1..<2)]),
        ]
        let length = await scene.ask("XLEN", scene.names.stream(attempt(1)))
        let status = scene.alice.status()
        await scene.end()
        #expect(replies == [true, true, false, false, false, false])
        #expect(refused == [false, false])
        #expect(length == .integer(1))
        #expect(status.breakerState == .closed && status.leaseBreakerState == .closed)
    }

    @Test("a stream whose attempt has lost the lease stays readable, and its end may still be told")
    func lostAndEnded() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        _ = try await followed(scene, heard)
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<3)])
        _ = await scene.bob.purge(scene.key)
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(), end: end(3))
        let told = await scene.alice.publish(
            scene.key, attempt(1), [.end(count: 3, form, usage: nil, isStored: false)])
        scene.alice.withdraw(attempt(1))
        let entries = await heard.entries()
        await scene.end()
        #expect(commit == .lost && told)
        #expect(entries == [chunks(0..<3), .end(count: 3, form, usage: nil, isStored: false)])
    }

    @Test("an attempt that is given up after its lease was taken says so to those who follow it")
    func lostAndAborted() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        _ = try await followed(scene, heard)
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<3)])
        _ = await scene.bob.steal(
            scene.key, seen: LeaseSight(attempt: attempt(1), heartbeat: 0, pod: scene.alice.pod), for: attempt(2),
            needed: .zero)
        await scene.alice.abort(scene.key, for: attempt(1), .failed(.draining, isRetryable: true))
        let entries = await heard.entries()
        let renewed = await scene.bob.renew(scene.key, for: attempt(2))
        await scene.end()
        #expect(entries == [chunks(0..<3), .failed(.draining, isRetryable: true)])
        #expect(renewed == .renewed(isFollowed: false))
    }

    @Test("a user needs these rights and no more, on our keys and channels alone, to lead, publish and follow")
    func rights() async throws {
        let scene = try await LeaseScene(user: "samovar")
        let rights = [
            "+evalsha", "+eval", "+get", "+set", "+del", "+unlink", "+pttl", "+pexpire", "+incr", "+time", "+xadd",
            "+xread", "+zadd", "+zcount", "+zremrangebyscore", "+publish", "+subscribe",
        ]
        _ = await scene.admin.bytes(
            (["ACL", "SETUSER", "samovar", "resetkeys", "~samovar:*", "resetchannels", "&samovar:*", "-@all"]
                + rights)
                .map { Array($0.utf8) })
        let heard = Heard()
        let interest = Bell()
        scene.alice.announce(attempt(1)) { interest.ring() }
        _ = await scene.alice.news.listens()
        _ = try await followed(scene, heard)
        await interest.rung()
        let published = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<3)])
        let renewed = await scene.alice.renew(scene.key, for: attempt(1))
        let commit = await scene.alice.commit(scene.key, for: attempt(1), scene.answer(), end: end(3))
        let entries = await heard.entries()
        let hit = await scene.bob.acquire(scene.key, for: attempt(3), needed: .zero)
        let purged = await scene.bob.purge(scene.key)
        let stolen = await scene.bob.steal(
            scene.key, seen: LeaseSight(attempt: attempt(1), heartbeat: 0, pod: scene.alice.pod), for: attempt(4),
            needed: .zero)
        await scene.bob.abort(scene.key, for: attempt(4), nil)
        let errors = scene.alice.status().errorCount + scene.bob.status().errorCount
        await scene.end()
        #expect(published && renewed == .renewed(isFollowed: true) && commit == .stored && purged)
        #expect(entries == [chunks(0..<3), end(3)])
        #expect(hit.word == "hit" && stolen.word == "leads" && errors == 0)
    }

    @Test("a reader whose connection is cut goes on where it was")
    func cut() async throws {
        let scene = try await LeaseScene()
        let heard = Heard()
        _ = try await followed(scene, heard)
        for number in 0..<5 {
            let index = UInt32(number)
            let entry = number == 4 ? end(4) : chunks(number..<number + 1)
            let bytes = StreamEntry.encode(entry, index: index, of: attempt(1), for: scene.key, seal: Seal())
            _ = await scene.admin.bytes([
                Array("XADD".utf8), scene.names.stream(attempt(1)), Array("*".utf8), Array("e".utf8), bytes,
            ])
            let isLast: (Heard.Word) -> Bool = { $0 == .entry(entry) || $0 == .unavailable }
            let words = await heard.words(until: isLast)
            #expect(words.last == .entry(entry))
            await scene.admin.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        }
        await scene.end()
    }

    @Test("a read that fails three times in a row ends the following, with a word")
    func killed() async throws {
        let scene = try await LeaseScene()
        var settings = RedisSettings.patient(scene.server.url)
        settings.timeout = .seconds(1)
        let carol = try RedisStore.forTest(settings)
        let heard = Heard()
        let reply = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        _ = carol.follow(scene.key, try #require(reply.sight)) { heard.receive($0) }
        _ = await scene.alice.publish(scene.key, attempt(1), [chunks(0..<1)])
        _ = await heard.words { if case .entry = $0 { true } else { false } }
        scene.server.kill()
        let words = await heard.words { $0 == .unavailable }
        await carol.shutdown()
        await scene.end()
        #expect(words.last == .unavailable)
        #expect(!words.contains { if case .entry = $0 { true } else { false } })
    }
}
