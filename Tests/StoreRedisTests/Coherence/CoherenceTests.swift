import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Memories of two pods on one Redis",
    .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct CoherenceTests {
    private static let ring = """
        names 6f1c3b2a6f1c3b2a6f1c3b2a6f1c3b2a6f1c3b2a6f1c3b2a6f1c3b2a6f1c3b2a
        1     0b77aa550b77aa550b77aa550b77aa550b77aa550b77aa550b77aa550b77aa55
        """

    @Test("what somebody removes from Redis is gone from every pod's memory")
    func removed() async throws {
        let scene = try await CoherentScene()
        let request = try scene.request()
        let (before, after) = try await scene.running {
            _ = await scene.alice.ask(request)
            _ = await scene.bob.ask(request)
            let before = scene.pods.map { $0.memory(request) }
            await scene.admin.command("DEL", scene.name(request))
            for pod in scene.pods { await pod.eventually { pod.memory(request) == nil } }
            return (before, await scene.bob.ask(request))
        }
        #expect(before == ["a1", "a1"])
        #expect(after == "b1")
    }

    @Test(
        "a pod's own write leaves its entry where it is, encrypted or not; another pod's takes its place",
        arguments: [true, false])
    func written(isEncrypted: Bool) async throws {
        let scene = try await CoherentScene(keyRing: isEncrypted ? try KeyRing(parsing: Self.ring) : nil)
        let (request, anew) = (try scene.request(), try scene.request(noCache: true))
        let (own, replaced) = try await scene.running {
            _ = await scene.alice.ask(request)
            await scene.alice.eventually { scene.alice.metrics.rechecks[.kept].current == 1 }
            let own = scene.alice.memory(request)
            _ = await scene.bob.ask(anew)
            await scene.alice.eventually { scene.alice.memory(request) == nil }
            return (own, await scene.alice.ask(request))
        }
        #expect(own == "a1" && replaced == "b1")
        #expect(scene.alice.metrics.rechecks[.kept].current == 1)
        #expect(scene.alice.upstream.count == 1)
    }

    @Test("after everything was thrown out of Redis nothing is served from memory")
    func flushed() async throws {
        let scene = try await CoherentScene()
        let request = try scene.request()
        let answer = try await scene.running {
            _ = await scene.alice.ask(request)
            _ = await scene.bob.ask(request)
            await scene.admin.command("FLUSHALL")
            for pod in scene.pods { await pod.eventually { pod.memory(request) == nil } }
            return await scene.bob.ask(request)
        }
        #expect(answer == "b1")
    }

    @Test(
        "what was removed while the connection was away is not served once it is back; the rest is looked at, not called for"
    )
    func lost() async throws {
        let scene = try await CoherentScene()
        let (kept, removed) = (try scene.request("kept"), try scene.request("removed"))
        let got = try await scene.running {
            for pod in scene.pods { for request in [kept, removed] { _ = await pod.ask(request) } }
            // In one step: nobody can be told.
            await scene.admin.command("MULTI")
            await scene.admin.command("CLIENT", "KILL", "TYPE", "pubsub")
            await scene.admin.command("DEL", scene.name(removed))
            let reply = await scene.admin.command("EXEC")
            for pod in scene.pods { await pod.eventually { pod.isTracking && pod.memory(removed) == nil } }
            let memory = scene.bob.memory(kept)
            return (reply, memory, await scene.bob.ask(kept), await scene.bob.ask(removed))
        }
        #expect(got.0 == .array([.integer(2), .integer(1)]))
        #expect(got.1 == nil && got.2 == "a1" && got.3 == "b1")
    }

    @Test("a purge reaches flights in the air in the other pod: what they bring is for those who wait")
    func purgedInTheAir() async throws {
        let scene = try await CoherentScene()
        let request = try scene.request()
        let got = try await scene.running {
            scene.alice.upstream.hold()
            async let first = scene.alice.ask(request)
            await scene.alice.upstream.isHeld.rung()
            let action = await scene.bob.pipeline.invalidate(request.key)
            await scene.heard(by: scene.alice)
            // Joins nobody: it would wait for the first one's call.
            let third = await scene.alice.ask(request)
            scene.alice.upstream.release()
            let one = await first
            return (one, third, scene.alice.memory(request), await scene.bob.ask(request), action.isShared)
        }
        #expect(got.0 == "a1")
        #expect(got.1 == "a2" && got.2 == "a2" && got.3 == "a2" && got.4)
    }

    @Test(
        "a namespace, a model or a tenant that is invalidated is gone from every pod, and what was under way is kept by none",
        arguments: Scope.Kind.allCases)
    func generations(kind: Scope.Kind) async throws {
        let scene = try await CoherentScene()
        let (stored, underWay) = (
            try scene.request("stored", namespace: "n"), try scene.request("under way", namespace: "n")
        )
        let other = try scene.request("other", namespace: "elsewhere")
        let scope = try #require(stored.scopes.first { $0.kind == kind })
        let got = try await scene.running {
            for pod in scene.pods { for request in [stored, other] { _ = await pod.ask(request) } }
            scene.alice.upstream.hold()
            async let flying = scene.alice.ask(underWay)
            await scene.alice.upstream.isHeld.rung()
            let action = await scene.bob.pipeline.invalidate(scope)
            let here = scene.bob.memory(stored)
            await scene.alice.eventually { scene.alice.memory(stored) == nil }
            scene.alice.upstream.release()
            let flown = await flying
            let kept = scene.alice.memory(underWay)
            let again = [await scene.bob.ask(underWay), await scene.bob.ask(stored), await scene.alice.ask(stored)]
            return (action, here, flown, kept, again, scene.pods.map { $0.memory(other) })
        }
        let isOther = kind == .namespace
        #expect(got.0.count == (isOther ? 1 : 2) && got.0.isShared)
        #expect(got.1 == nil && got.2 == "a3" && got.3 == nil)
        #expect(got.4 == ["b1", "b2", "b2"])
        #expect(got.5 == (isOther ? ["a2", "a2"] : [nil, nil]))
    }

    @Test("a generation that Redis has forgotten is told to it again, and what is older stays unusable")
    func forgotten() async throws {
        let scene = try await CoherentScene()
        let request = try scene.request()
        let name = String(decoding: scene.alice.store.keyName.generation(.model("m")), as: UTF8.self)
        let (before, after) = try await scene.running {
            for pod in scene.pods { _ = await pod.ask(request) }
            _ = await scene.alice.pipeline.invalidate(.model("m"))
            await scene.bob.eventually { scene.bob.memory(request) == nil }
            let before = await scene.admin.command("GET", name)
            await scene.admin.command("DEL", name)
            await scene.bob.eventually { await scene.admin.command("GET", name) != .null }
            return (before, await scene.admin.command("GET", name))
        }
        #expect(before != .null && before == after)
    }

    @Test("a user who may not hear of changes is served all the same, by lifetime; one line says so")
    func refused() async throws {
        let scene = try await CoherentScene(user: ["-client|tracking"])
        let request = try scene.request()
        let (memory, phase) = try await scene.running {
            _ = await scene.alice.ask(request)
            await scene.admin.command("DEL", scene.name(request))
            _ = await scene.bob.ask(request)
            return (scene.alice.memory(request), scene.alice.pipeline.tracking)
        }
        #expect(memory == "a1" && phase == .refused)
        #expect(scene.log.count(containing: "does not let us hear of changes") == 2)
    }
}
