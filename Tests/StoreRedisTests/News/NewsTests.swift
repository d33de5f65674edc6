import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Pokes", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct NewsTests {
    private func channel(_ store: RedisStore) -> [UInt8] { KeyName(keyPrefix: "samovar:").pokes(of: store.pod) }

    /// Says it on Alice's channel.
    private func publish(_ scene: LeaseScene, _ message: [UInt8]) async -> RESPValue? {
        await scene.admin.bytes([Array("PUBLISH".utf8), channel(scene.alice), message])
    }

    @Test("whoever says that he follows an attempt is heard once, by the pod that leads it, until it is over")
    func once() async throws {
        let scene = try await LeaseScene()
        let (first, second, other) = (Bell(), Bell(), Bell())
        scene.alice.announce(attempt(1)) { first.ring() }
        scene.alice.announce(attempt(2)) { second.ring() }
        scene.alice.announce(attempt(3)) { other.ring() }
        scene.bob.announce(attempt(1)) { other.ring() }
        _ = await (scene.alice.news.listens(), scene.bob.news.listens())
        scene.alice.withdraw(attempt(3))
        let sight = LeaseSight(attempt: attempt(1), heartbeat: 0, pod: scene.alice.pod)
        let following = scene.bob.follow(scene.key, sight) { _ in }
        await first.rung()
        for _ in 0..<5 { await scene.bob.keepFollowing(following) }
        let three = LeaseSight(attempt: attempt(3), heartbeat: 0, pod: scene.alice.pod)
        await scene.bob.keepFollowing(scene.bob.follow(scene.key, three) { _ in })
        // Comes last, over the same connection.
        _ = await publish(scene, Array(attempt(2).hexadecimal.utf8))
        await second.rung()
        await scene.end()
        #expect(first.ringCount == 1 && second.ringCount == 1 && other.ringCount == 0)
    }

    @Test("what is no attempt's name is passed over, and the next that is one is heard")
    func strange() async throws {
        let scene = try await LeaseScene()
        let bell = Bell()
        scene.alice.announce(attempt(1)) { bell.ring() }
        _ = await scene.alice.news.listens()
        let name = Array(attempt(1).hexadecimal.utf8)
        let upper = Array(attempt(1).hexadecimal.uppercased().utf8)
        let messages: [[UInt8]] = [[], [0], upper, name.dropLast(), name + name, .init(repeating: 48, count: 5_000)]
        for message in messages {
            _ = await publish(scene, message)
        }
        let heardBefore = bell.ringCount
        let receivers = await publish(scene, name)
        await bell.rung()
        await scene.end()
        #expect(heardBefore == 0 && bell.ringCount == 1 && receivers == .integer(1))
    }

    @Test("a subscription that is lost, or that is told too much at once, comes back by itself")
    func comesBack() async throws {
        let scene = try await LeaseScene()
        let bell = Bell()
        scene.alice.announce(attempt(1)) { bell.ring() }
        _ = await scene.alice.news.listens()
        await scene.admin.command("CLIENT", "KILL", "TYPE", "pubsub")
        while await publish(scene, [UInt8](repeating: 0, count: 2_000_000)) != .integer(1) { await Task.yield() }
        while bell.ringCount == 0 {
            _ = await publish(scene, Array(attempt(1).hexadecimal.utf8))
            await Task.yield()
        }
        await scene.end()
        #expect(bell.ringCount == 1)
    }

    @Test("a user who may not subscribe leads and follows all the same; one line says so")
    func forbidden() async throws {
        let scene = try await LeaseScene(user: "samovar")
        await scene.admin.command("ACL", "SETUSER", "samovar", "resetchannels")
        let heard = Heard()
        scene.alice.announce(attempt(1)) {}
        await scene.log.wait(for: "tells no news")
        let sight = try #require(await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero).sight)
        let following = scene.bob.follow(scene.key, sight) { heard.receive($0) }
        await scene.bob.keepFollowing(following)
        let renewed = await scene.alice.renew(scene.key, for: attempt(1))
        _ = await scene.alice.commit(
            scene.key, for: attempt(1), nil,
            end: .end(count: 0, PublishedForm(.body, usageAsked: false), usage: nil, isStored: false))
        let entries = await heard.entries()
        let status = scene.bob.status()
        await scene.end()
        #expect(renewed == .renewed(isFollowed: true))
        #expect(entries.count == 1)
        #expect(status.leaseBreakerState == .closed && status.breakerState == .closed)
        #expect(scene.log.count(containing: "tells no news") <= 2)
    }

    @Test("a store that never leases opens no more connections than before")
    func lazy() async throws {
        let scene = try await LeaseScene()
        await scene.alice.set(scene.key, scene.answer())
        _ = await scene.alice.get(scene.key)
        let subscribed = await scene.admin.command("PUBSUB", "CHANNELS", "samovar:poke:*")
        _ = await scene.alice.acquire(scene.key, for: attempt(1), needed: .zero)
        _ = await scene.alice.news.listens()
        let later = await scene.admin.command("PUBSUB", "CHANNELS", "samovar:poke:*")
        await scene.end()
        #expect(subscribed == .array([]))
        #expect(later == .array([.bulk(channel(scene.alice))]))
    }
}
