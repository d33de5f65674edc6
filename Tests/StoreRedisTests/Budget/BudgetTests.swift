import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Sharing upstreams' limits", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct BudgetTests {
    private static let name = Array("samovar:budget".utf8)

    private func word(_ number: UInt64, _ demand: Double) -> FleetWord {
        FleetWord(number: number, upstreams: [.init(name: "one", demand: demand, claim: 0.5)])
    }

    @Test("each pod hears the others' latest words, and not its own")
    func heard() async throws {
        let scene = try await LeaseScene()
        let first = await scene.alice.exchange(word(1, 1), life: .seconds(30))
        let second = await scene.bob.exchange(word(1, 2), life: .seconds(30))
        _ = await scene.bob.exchange(word(2, 3), life: .seconds(30))
        let third = await scene.alice.exchange(word(2, 4), life: .seconds(30))
        let count = await scene.ask("HLEN", Self.name)
        let evaluations = await scene.callCount("evalsha")
        await scene.end()

        #expect(first == .heard([:]))
        #expect(second == .heard([scene.alice.pod: word(1, 1)]))
        #expect(third == .heard([scene.bob.pod: word(2, 3)]))
        #expect(count == .integer(2))
        // One round trip each; the first of all brings the script's text.
        #expect(evaluations == 4)
    }

    @Test("a word that was long on its way does not take the place of its successor")
    func overtaken() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.exchange(word(10, 1), life: .seconds(30))
        let late = await scene.alice.exchange(word(9, 2), life: .seconds(30))
        let heard = await scene.bob.exchange(word(1, 3), life: .seconds(30))
        await scene.end()

        #expect(late == .unavailable)
        #expect(heard == .heard([scene.alice.pod: word(10, 1)]))
    }

    @Test("a word dies by the server's clock, and is removed with whatever is there that is none of ours")
    func dies() async throws {
        let scene = try await LeaseScene()
        await scene.ask("HSET", Self.name, "nobody", "x", "somebody", "1\n1\none 1 1 - -")
        await scene.ask("HSET", Self.name, "ahead", "99999999999999\n1\none 1 1 - -")
        _ = await scene.alice.exchange(word(1, 1), life: .milliseconds(1))
        var isGone = false
        for number in 1...1_000 as ClosedRange<UInt64> where !isGone {
            isGone = await scene.bob.exchange(word(number, 1), life: .seconds(30)) == .heard([:])
        }
        let fields = await scene.ask("HKEYS", Self.name)
        let life = await scene.ask("PTTL", Self.name)
        await scene.end()

        #expect(isGone)
        #expect(fields == .array([.bulk(scene.bob.pod.hexadecimal)]))
        guard case .integer(let milliseconds) = life else {
            Issue.record("no end")
            return
        }
        #expect(milliseconds > 500_000 && milliseconds <= 600_000)
    }

    @Test("a pod that says that it goes is heard of no more")
    func withdrawn() async throws {
        let scene = try await LeaseScene()
        _ = await scene.alice.exchange(word(1, 1), life: .seconds(30))
        await scene.alice.withdrawWord()
        let heard = await scene.bob.exchange(word(1, 1), life: .seconds(30))
        await scene.end()

        #expect(heard == .heard([:]))
    }

    @Test("what somebody else has put under the name is replaced")
    func otherType() async throws {
        let scene = try await LeaseScene()
        await scene.ask("SET", Self.name, "a string")
        let reply = await scene.alice.exchange(word(1, 1), life: .seconds(30))
        let kind = await scene.ask("TYPE", Self.name)
        await scene.end()

        #expect(reply == .heard([:]))
        #expect(kind == .status("hash"))
    }

    @Test("the thousand-and-first pod is told how many there are, and leaves nothing behind")
    func full() async throws {
        let scene = try await LeaseScene()
        guard case .array(let time) = await scene.admin.command("TIME"), case .bulk(let digits) = time[0],
            let seconds = Int(String(decoding: digits, as: UTF8.self))
        else {
            Issue.record("no time")
            return
        }
        let value = Array("\((seconds + 60) * 1_000)\n1\none 1000000 500000 - -".utf8)
        let fields = (1...1_000).flatMap { [PodID(UInt64($0)).hexadecimal, value] }
        _ = await scene.admin.bytes([Array("HSET".utf8), Self.name] + fields)
        let refused = await scene.alice.exchange(word(1, 1), life: .seconds(30))
        await scene.ask("HDEL", Self.name, String(decoding: PodID(5).hexadecimal, as: UTF8.self))
        let taken = await scene.alice.exchange(word(2, 1), life: .seconds(30))
        let other = await scene.bob.exchange(word(1, 1), life: .seconds(30))
        let count = await scene.ask("HLEN", Self.name)
        await scene.end()

        #expect(refused == .full(podCount: 1_000))
        guard case .heard(let words) = taken else {
            Issue.record("not taken")
            return
        }
        #expect(words.count == 999 && words[PodID(7)]?.upstreams.first?.demand == 1)
        #expect(other == .full(podCount: 1_000))
        #expect(count == .integer(1_000))
    }

    @Test("a server that is gone is soon asked no more")
    func dead() async throws {
        let scene = try await LeaseScene()
        scene.server.kill()
        var replies: Set<FleetReply> = []
        while scene.alice.status().breakerState != .open {
            replies.insert(await scene.alice.exchange(word(1, 1), life: .seconds(30)))
        }
        let timeouts = scene.alice.status().timeoutCount
        await scene.end()

        #expect(replies == [.unavailable] && timeouts == 0)
    }

    @Test("who may not shares no limits, and all else is as before; one line says so", arguments: ["hset", "hgetall"])
    func rights(missing: String) async throws {
        let scene = try await LeaseScene(user: "pod")
        await scene.admin.command("ACL", "SETUSER", "pod", "-\(missing)")
        let reply = await scene.alice.exchange(word(1, 1), life: .seconds(30))
        let again = await scene.alice.exchange(word(2, 1), life: .seconds(30))
        let lease = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        let status = scene.alice.status()
        await scene.end()

        #expect(reply == .unavailable && again == .unavailable)
        #expect(lease.word == "leads")
        #expect(status.breakerState == .closed && status.leaseBreakerState == .closed && status.errorCount == 1)
        #expect(scene.log.count(containing: "does not let us share upstreams' limits") == 1)
    }
}
