import Foundation
import SamovarClient
import Testing

private typealias Failure = SamovarClient.Failure

extension Chat {
    fileprivate var bytes: [UInt8] { Array(body.utf8) }
}

extension Scene {
    fileprivate init(provider: Provider, sidecar: Sidecar) {
        self.provider = provider
        self.sidecar = sidecar
    }
}

extension Sidecar {
    fileprivate func client(_ change: (inout SamovarClient.Settings) -> Void = { _ in }) throws -> SamovarClient {
        var settings = SamovarClient.Settings()
        settings.timeout = .seconds(30)
        change(&settings)
        return try SamovarClient(address: binary.description, settings: settings)
    }

    fileprivate var connectionCount: Int { get throws { try stats()["connections"].int ?? -1 } }
}

/// What is wrong with an answer's bytes; nil where nothing is.
private func complaint(_ bytes: [UInt8], to chat: Chat, tokens: Int? = nil) -> String? {
    var reply = HTTPReply()
    reply.status = 200
    reply.isWhole = true
    reply.body = bytes
    if chat.stream { reply.headers = [("content-type", "text/event-stream")] }
    return Verifier(tokenCount: tokens).complaint(reply, to: chat)
}

/// The failure that the work ends with; nil where it does not fail, or otherwise.
private func failing<Value>(_ work: () async throws -> Value) async -> Failure? {
    do {
        _ = try await work()
        return nil
    } catch {
        return error as? Failure
    }
}

/// Work on a thread of the pool: the test's own thread may block.
private func meanwhile<Value: Sendable>(
    _ work: @escaping @Sendable () async throws -> Value
) -> Task<Value, any Error> {
    Task.detached { try await work() }
}

extension RealProcesses {
    /// The Swift client and the sidecar, over the binary protocol.
    @Suite("the Swift client")
    struct SwiftClient {
        static let drivers = ["nio", "epoll"]

        private func scene(_ flags: String..., driver: String = "epoll", limits: [String: String] = [:]) throws -> Scene
        {
            let provider = try Provider(flags)
            let sidecar = try Sidecar(upstream: provider.url) {
                $0.listen["binary_driver"] = driver
                $0.limits = limits
                $0.routes = [["name": "r", "finish_when_left": "false"]]
            }
            return Scene(provider: provider, sidecar: sidecar)
        }

        // MARK: Asking

        @Test("asks, and is told a miss, then a hit", arguments: drivers)
        func ask(driver: String) async throws {
            let scene = try scene(driver: driver)
            let client = try scene.sidecar.client()
            let chat = Chat("hello")

            let first = try await client.ask(chat.bytes)
            let second = try await client.ask(chat.bytes)
            let rtt = try await client.ping()
            await client.close()

            #expect(complaint(first.bytes, to: chat) == nil)
            #expect(first.result == .miss)
            #expect(first.form == .body)
            #expect(second.result == .l1Hit)
            #expect(second.origin.age != nil)
            #expect(second.origin.remaining != nil)
            #expect(second.bytes == first.bytes)
            #expect(rtt > .zero)
            #expect(try scene.calls == 1)
        }

        @Test("the options reach the sidecar")
        func options() async throws {
            let scene = try scene()
            let client = try scene.sidecar.client()
            let chat = Chat("options")
            var cachedOnly = SamovarClient.Options()
            cachedOnly.onlyIfCached = true
            var anew = SamovarClient.Options()
            anew.noCache = true
            anew.showsTenant = true

            let notCached = await failing { try await client.ask(chat.bytes, options: cachedOnly) }
            _ = try await client.ask(chat.bytes)
            let cached = try await client.ask(chat.bytes, options: cachedOnly)
            let fresh = try await client.ask(chat.bytes, options: anew)
            let models = try await client.ask([], options: SamovarClient.Options(kind: .models))

            #expect(notCached?.code == .notCached)
            #expect(notCached?.status == 504)
            #expect(cached.result == .l1Hit)
            #expect(fresh.result == .miss)
            #expect(fresh.origin.tenant == "anonymous")
            #expect(JSON(models.bytes)["object"].string == "list")
        }

        @Test("fifty tasks share one connection, and one upstream call", arguments: drivers)
        func fifty(driver: String) async throws {
            let scene = try scene("--first-token-ms", "300", driver: driver)
            let client = try scene.sidecar.client()
            let chat = Chat("everybody asks this")

            let answers = try await meanwhile {
                try await withThrowingTaskGroup(of: SamovarClient.Answer.self) { group in
                    for _ in 0..<50 { group.addTask { try await client.ask(chat.bytes) } }
                    return try await group.reduce(into: [SamovarClient.Answer]()) { $0.append($1) }
                }
            }.value

            #expect(answers.count == 50)
            #expect(answers.compactMap { complaint($0.bytes, to: chat) } == [])
            #expect(answers.filter { $0.result == .miss }.count == 1)
            #expect(try scene.calls == 1)
            #expect(try scene.sidecar.connectionCount == 1)
        }

        @Test("more requests than places wait for one", arguments: drivers)
        func places(driver: String) async throws {
            let scene = try scene("--first-token-ms", "30", driver: driver)
            let client = try scene.sidecar.client { $0.inflightMax = 3 }

            let complaints = try await meanwhile {
                try await withThrowingTaskGroup(of: String?.self) { group in
                    for index in 0..<30 {
                        let chat = Chat("question \(index)")
                        group.addTask { complaint(try await client.ask(chat.bytes).bytes, to: chat) }
                    }
                    return try await group.reduce(into: [String]()) { if let text = $1 { $0.append(text) } }
                }
            }.value

            #expect(complaints == [])
            #expect(try scene.provider.counts().concurrent <= 3)
            #expect(try scene.calls == 30)
        }

        @Test("bytes that come in pieces of any size make no difference", arguments: drivers)
        func dribbled(driver: String) async throws {
            let scene = try scene("--tokens", "400", driver: driver)
            let proxy = try FaultProxy(to: scene.sidecar.binary, .dribble(max: 40, seed: 7))
            let client = try SamovarClient(address: proxy.address.description)
            let chat = Chat("in pieces")

            let answers = [try await client.ask(chat.bytes), try await client.ask(chat.bytes)]
            await client.close()

            #expect(answers.compactMap { complaint($0.bytes, to: chat, tokens: 400) } == [])
        }

        // MARK: Streams

        @Test("a stream has the bytes that HTTP has, live and stored, in events and in chunks", arguments: drivers)
        func stream(driver: String) async throws {
            let scene = try scene("--token-ms", "2", "--tokens", "60", driver: driver)
            let client = try scene.sidecar.client()
            let chat = Chat("stream me", stream: true)

            let live = try await client.stream(chat.bytes)
            var liveEvents: [[UInt8]] = []
            for try await event in live { liveEvents.append(event) }
            let http = try scene.ask(chat)
            var storedEvents: [[UInt8]] = []
            for try await event in try await client.stream(chat.bytes) { storedEvents.append(event) }
            var chunks: [[UInt8]] = []
            for try await chunk in try await client.stream(chat.bytes, pieces: .chunks) { chunks.append(chunk) }
            let whole = try await client.ask(chat.bytes)

            #expect(live.origin.form == .stream)
            #expect(live.origin.result == .miss)
            #expect(complaint(Array(liveEvents.joined()), to: chat, tokens: 60) == nil)
            #expect(Array(liveEvents.joined()) == http.body)
            #expect(storedEvents == liveEvents)
            #expect(liveEvents.count == http.events.count)
            #expect(liveEvents.allSatisfy { $0.suffix(2) == [0x0A, 0x0A] })
            #expect(Array(chunks.joined()) == http.body)
            #expect(chunks.count < liveEvents.count)
            #expect(whole.bytes == http.body)
            #expect(try scene.calls == 1)
        }

        @Test("a large answer comes whole through a small window", arguments: drivers)
        func smallWindow(driver: String) async throws {
            let scene = try scene("--tokens", "3000", driver: driver)
            let client = try scene.sidecar.client { $0.windowSize = 1_024 }
            let chat = Chat("large", stream: true)
            _ = try scene.ask(chat)

            var events: [[UInt8]] = []
            for try await event in try await client.stream(chat.bytes) { events.append(event) }
            let whole = try await client.ask(chat.bytes)

            #expect(complaint(Array(events.joined()), to: chat, tokens: 3_000) == nil)
            #expect(whole.bytes == Array(events.joined()))
            #expect(whole.bytes.count > 100_000)
        }

        @Test("a reader who leaves in mid-stream ends its own request only", arguments: drivers)
        func leaveStream(driver: String) async throws {
            let scene = try scene("--token-ms", "20", "--tokens", "60", driver: driver)
            let client = try scene.sidecar.client()
            let staying = Chat("staying", stream: true)
            let stayed = meanwhile { try await client.ask(staying.bytes) }

            var count = 0
            for try await _ in try await client.stream(Chat("leaving", stream: true).bytes) {
                count += 1
                if count == 3 { break }
            }
            let isCancelled = try eventually { try scene.provider.counts().cancelled == 1 }
            let answer = try await stayed.value
            try await client.ping()

            #expect(isCancelled)
            #expect(complaint(answer.bytes, to: staying, tokens: 60) == nil)
            #expect(try scene.sidecar.connectionCount == 1)
        }

        @Test("a stream that nobody reads is ended with whoever held it")
        func unreadStream() async throws {
            let scene = try scene("--token-ms", "20", "--tokens", "500")
            let client = try scene.sidecar.client()

            func open() async throws { _ = try await client.stream(Chat("unread", stream: true).bytes) }
            try await open()

            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
        }

        @Test("a cancelled task ends its own request at once, and nobody else's", arguments: drivers)
        func cancelTask(driver: String) async throws {
            let scene = try scene("--first-token-ms", "700", driver: driver)
            let client = try scene.sidecar.client()
            let chat = Chat("staying")
            let gone = meanwhile { await failing { try await client.ask(Chat("gone").bytes) } }
            let staying = meanwhile { try await client.ask(chat.bytes) }
            #expect(try eventually { try scene.calls == 2 })

            gone.cancel()
            let cancelled = try await gone.value
            let answer = try await staying.value

            #expect(cancelled?.code == .cancelled)
            #expect(complaint(answer.bytes, to: chat) == nil)
            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
            #expect(try scene.sidecar.connectionCount == 1)
        }

        @Test("a task that was cancelled before it asks gets no answer")
        func cancelledBefore() async throws {
            let scene = try scene()
            let client = try scene.sidecar.client()

            let task = meanwhile {
                withUnsafeCurrentTask { $0?.cancel() }
                return await failing { try await client.ask(Chat("never").bytes) }
            }

            #expect(try await task.value?.code == .cancelled)
            #expect(try await client.ask(Chat("never").bytes).result != .stale)
        }

        // MARK: Failures

        @Test("a deadline ends one request, in time, and the others go on", arguments: drivers)
        func deadline(driver: String) async throws {
            let scene = try scene("--first-token-ms", "1500", driver: driver)
            let client = try scene.sidecar.client()
            let chat = Chat("patient")
            let patient = meanwhile { try await client.ask(chat.bytes) }

            let hasty = await failing {
                try await client.ask(chat.bytes, options: SamovarClient.Options(timeout: .milliseconds(200)))
            }
            let answer = try await patient.value

            #expect(hasty?.code == .deadline)
            #expect(hasty?.status == 504)
            #expect(complaint(answer.bytes, to: chat) == nil)
            #expect(try scene.calls == 1)
        }

        @Test("an upstream's refusal keeps its status, its words and what to wait", arguments: drivers)
        func refusal(driver: String) async throws {
            let scene = try scene("--status", "429", "--retry-after", "7", driver: driver)
            let client = try scene.sidecar.client()

            let failure = await failing { try await client.ask(Chat("no").bytes) }
            let streamed = await self.streamed(client, Chat("no", stream: true))

            #expect(failure?.code == .upstreamRefused)
            #expect(failure?.status == 429)
            #expect(failure?.upstreamStatus == 429)
            #expect(failure?.retryAfter == .seconds(7))
            #expect(failure?.isRetryable == true)
            #expect(failure.map { JSON($0.body)["error"].exists } == true)
            #expect(streamed?.code == .upstreamRefused)
        }

        @Test("an answer that breaks off is a failure after its pieces, never an end", arguments: drivers)
        func cut(driver: String) async throws {
            let scene = try scene("--cut-after-tokens", "5", driver: driver)
            let client = try scene.sidecar.client()
            let chat = Chat("cut", stream: true)
            var count = 0
            var failure: Failure?

            do {
                for try await _ in try await client.stream(chat.bytes) { count += 1 }
            } catch {
                failure = error
            }

            #expect(count > 0)
            #expect(failure?.code == .upstreamCut)
        }

        @Test("what cannot be understood is refused, and what is larger than the sidecar takes is not sent")
        func badBodies() async throws {
            let scene = try scene(limits: ["body_size_max": "64KiB"])
            let client = try scene.sidecar.client { $0.digestSizeMin = nil }

            let invalid = await failing { try await client.ask(Array("nonsense".utf8)) }
            let large = await failing {
                try await client.ask(Array(repeating: 0x20, count: 200_000))
            }
            let answer = try await client.ask(Chat("fine").bytes)

            #expect(invalid?.code == .invalidRequest)
            #expect(large?.code == .bodyTooLarge)
            #expect(complaint(answer.bytes, to: Chat("fine")) == nil)
            #expect(try scene.sidecar.connectionCount == 1)
        }

        private func streamed(_ client: SamovarClient, _ chat: Chat) async -> Failure? {
            await failing {
                for try await _ in try await client.stream(chat.bytes) {}
            }
        }

        // MARK: Digests

        @Test("a large body that was asked before is not sent again", arguments: drivers)
        func digestFirst(driver: String) async throws {
            let scene = try scene(driver: driver)
            let proxy = try FaultProxy(to: scene.sidecar.binary)
            let client = try SamovarClient(address: proxy.address.description)
            let chat = Chat(String(repeating: "long ", count: 20_000))

            let first = try await client.ask(chat.bytes)
            let afterFirst = proxy.callersByteCount
            let second = try await client.ask(chat.bytes)
            let afterSecond = proxy.callersByteCount
            await client.close()

            #expect(complaint(first.bytes, to: chat) == nil)
            #expect(first.result == .miss)
            #expect(second.result == .l1Hit)
            #expect(second.bytes == first.bytes)
            #expect(afterFirst > 100_000)
            #expect(afterSecond - afterFirst < 200)
        }

        // MARK: Operations

        @Test("an administrator can put, warm, invalidate and look in", arguments: drivers)
        func admin(driver: String) async throws {
            let provider = try Provider()
            let token = "an-admin-token-of-the-tests-0123456789"
            let settings = SidecarSettings(upstream: provider.url).with { $0.listen["binary_driver"] = driver }
            let sidecar = try Sidecar(settings, environment: ["SAMOVAR_ADMIN_TOKEN": token])
            let client = try sidecar.client { $0.adminToken = SamovarClient.Secret(token) }
            let (asked, given) = (Chat("asked"), Chat("given"))

            let warmed = [try await client.warm(asked.bytes), try await client.warm(asked.bytes)]
            let answer = try await client.ask(asked.bytes)
            try await client.put(answer.bytes, form: .body, for: given.bytes, ttl: .seconds(60))
            let put = try await client.ask(given.bytes)
            let removed = [
                try await client.invalidate(.body(given.bytes)), try await client.invalidate(.body(given.bytes)),
            ]
            let notStorable = await failing {
                try await client.put(Array("{}".utf8), form: .body, for: given.bytes)
            }
            let stats = JSON(try await client.stats())

            #expect(warmed == [.stored, .cached])
            #expect(answer.result == .l1Hit)
            #expect(put.bytes == answer.bytes)
            #expect(removed == [1, 0])
            #expect(notStorable?.code == .notStorable)
            #expect(stats["connections"].int == 1)
            #expect(try provider.counts().calls == 1)
        }

        @Test("nobody else can; a wrong token is said to be one, at once", arguments: drivers)
        func notAdmin(driver: String) async throws {
            let scene = try scene(driver: driver)
            let client = try scene.sidecar.client()
            let impostor = try scene.sidecar.client { $0.adminToken = SamovarClient.Secret("guess") }

            let stats = await failing { try await client.stats() }
            let invalidate = await failing { try await client.invalidate(.tenant(nil)) }
            let answer = try await client.ask(Chat("still there").bytes)
            let guessed = await failing { try await impostor.ask(Chat("x").bytes) }

            #expect(stats?.code == .forbidden)
            #expect(invalidate?.code == .forbidden)
            #expect(complaint(answer.bytes, to: Chat("still there")) == nil)
            #expect(guessed?.code == .unauthenticated)
            #expect(guessed?.isRetryable == false)
        }

        // MARK: Connections

        private func sidecar(at path: String, _ provider: Provider, driver: String) throws -> Sidecar {
            try Sidecar(upstream: provider.url) {
                $0.listen["binary"] = "unix:\(path)"
                $0.listen["binary_driver"] = driver
                $0.drain = ["accept_for": "0s", "grace": "20s"]
            }
        }

        @Test("a sidecar that dies fails what was under way, and its successor is found", arguments: drivers)
        func restart(driver: String) async throws {
            let folder = try TemporaryFolder()
            let provider = try Provider("--first-token-ms", "300")
            var sidecar = try sidecar(at: folder.file("s"), provider, driver: driver)
            let client = try sidecar.client { $0.reachTimeout = .seconds(20) }
            _ = try await client.ask(Chat("before").bytes)
            let lost = meanwhile { await failing { try await client.ask(Chat("lost").bytes) } }
            #expect(try eventually { try provider.counts().calls == 2 })

            sidecar.process.kill()
            let failure = try await lost.value
            let waiting = meanwhile { try await client.ask(Chat("after").bytes) }
            sidecar = try self.sidecar(at: folder.file("s"), provider, driver: driver)
            let answer = try await waiting.value

            #expect(failure?.code == .connectionLost)
            #expect(failure?.isRetryable == true)
            #expect(complaint(answer.bytes, to: Chat("after")) == nil)
            #expect(try sidecar.connectionCount == 1)
        }

        @Test(
            "a sidecar that leaves finishes what was under way; what comes later goes to its successor",
            arguments: drivers)
        func drain(driver: String) async throws {
            let folder = try TemporaryFolder()
            let provider = try Provider("--token-ms", "30", "--tokens", "300")
            let first = try sidecar(at: folder.file("s"), provider, driver: driver)
            let client = try first.client { $0.reachTimeout = .seconds(20) }
            let chat = Chat("to the end", stream: true)
            var reading = try await client.stream(chat.bytes).makeAsyncIterator()
            var bytes = try await reading.next() ?? []

            first.process.send(SIGTERM)
            // Until the sidecar has said that it leaves it answers; from then on there is nobody to answer.
            var probe = SamovarClient.Options(timeout: .milliseconds(200))
            probe.onlyIfCached = true
            while await failing({ try await client.ask(Chat("probe").bytes, options: probe) })?.code == .notCached {}
            let second = try sidecar(at: folder.file("s"), provider, driver: driver)
            try await client.ping()
            let isStillReading = first.process.hasEnded() == nil
            let connectionCount = try second.connectionCount
            while let event = try await reading.next() { bytes += event }

            #expect(isStillReading)
            #expect(connectionCount == 1)
            #expect(complaint(bytes, to: chat, tokens: 300) == nil)
            #expect(first.process.ends() == .exited(0))
        }

        @Test("a silent sidecar is noticed, and when it speaks again it is used again")
        func silence() async throws {
            let scene = try scene("--first-token-ms", "100")
            let client = try scene.sidecar.client { $0.silenceMax = .milliseconds(400) }
            _ = try await client.ask(Chat("before").bytes)

            scene.sidecar.process.send(SIGSTOP)
            let failure = await failing { try await client.ask(Chat("silence").bytes) }
            scene.sidecar.process.send(SIGCONT)
            let answer = try await client.ask(Chat("after").bytes)

            #expect(failure?.code == .connectionLost)
            #expect(complaint(answer.bytes, to: Chat("after")) == nil)
        }

        @Test("an idle connection is kept alive", arguments: drivers)
        func keptAlive(driver: String) async throws {
            let scene = try scene(driver: driver, limits: ["idle_timeout": "1s"])
            let proxy = try FaultProxy(to: scene.sidecar.binary)
            let client = try SamovarClient(address: proxy.address.description)
            _ = try await client.ask(Chat("before").bytes)
            let before = proxy.callersByteCount

            // Ten PINGs of 24 bytes, a third of the idle timeout apart: three times as long as an idle one lives.
            let isPinging = eventually { proxy.callersByteCount >= before + 240 }

            #expect(isPinging)
            #expect(proxy.openCount == 2)
            #expect(try await client.ask(Chat("before").bytes).result == .l1Hit)
            #expect(proxy.openCount == 2)
        }

        @Test("where nobody listens a request fails in its time, and says so")
        func unreachable() async throws {
            var settings = SamovarClient.Settings()
            settings.reachTimeout = .milliseconds(300)
            let client = try SamovarClient(address: "unix:/nonexistent/samovar.sock", settings: settings)

            let failure = await failing { try await client.ask(Chat("anyone?").bytes) }
            let hasty = await failing { try await client.ping(timeout: .milliseconds(50)) }

            #expect(failure?.code == .unreachable)
            #expect(failure?.isRetryable == true)
            #expect(hasty?.code == .deadline)
        }

        @Test("another protocol's server is not believed, nor one that says nothing")
        func strangers() async throws {
            let provider = try Provider()
            let hole = try FaultProxy(to: provider.address, .blackHole)
            var settings = SamovarClient.Settings()
            settings.reachTimeout = .milliseconds(800)
            settings.helloTimeout = .milliseconds(200)
            let http = try SamovarClient(address: provider.address.description, settings: settings)
            let silent = try SamovarClient(address: hole.address.description, settings: settings)

            let answered = await failing { try await http.ping() }
            let unanswered = await failing { try await silent.ping() }

            #expect(answered != nil)
            #expect(unanswered?.code == .connectionLost)
        }

        @Test(
            "a closed client fails what is under way and what comes later, and leaves no connection", arguments: drivers
        )
        func close(driver: String) async throws {
            let scene = try scene("--first-token-ms", "5000", driver: driver)
            let client = try scene.sidecar.client()
            let underWay = meanwhile { await failing { try await client.ask(Chat("x").bytes) } }
            #expect(try eventually { try scene.calls == 1 })

            await client.close()
            await client.close()
            let late = await failing { try await client.ask(Chat("x").bytes) }

            #expect(try await underWay.value?.code == .closed)
            #expect(late?.code == .closed)
            #expect(try eventually { try scene.sidecar.connectionCount == 0 })
        }

        @Test("a stream is read to its end, whoever else has dropped the client")
        func droppedStream() async throws {
            let scene = try scene("--token-ms", "10", "--tokens", "40")
            let chat = Chat("alone", stream: true)

            func open() async throws -> SamovarClient.AnswerStream {
                try await scene.sidecar.client().stream(chat.bytes)
            }
            var bytes: [UInt8] = []
            for try await event in try await open() { bytes += event }

            #expect(complaint(bytes, to: chat, tokens: 40) == nil)
            #expect(try eventually { try scene.sidecar.connectionCount == 0 })
        }

        @Test("the ask command speaks it too")
        func command() throws {
            let scene = try scene()
            func run(_ words: String...) throws -> ChildProcess {
                let process = try ChildProcess(Program.built("samovar"), ["ask", "hello", "--binary"] + words)
                _ = process.ends()
                return process
            }

            let first = try run("--server", "\(scene.sidecar.binary)")
            let second = try run("--server", "\(scene.sidecar.binary)", "--json")
            let absent = try run("--server", "unix:/nonexistent/s")

            #expect(first.output.contains(".end"))
            #expect(first.errors.hasPrefix("miss in "))
            #expect(first.errors.contains("tenant anonymous"))
            #expect(JSON(second.output)["result"].string == "l1_hit")
            #expect(first.output.hasPrefix(JSON(second.output)["text"].string ?? "?"))
            #expect(absent.ends() == .exited(1))
            #expect(absent.errors.contains("unreachable"))
        }

        @Test("a client that is dropped closes its connection")
        func dropped() async throws {
            let scene = try scene()

            func use() async throws { _ = try await scene.sidecar.client().ask(Chat("once").bytes) }
            try await use()

            #expect(try eventually { try scene.sidecar.connectionCount == 0 })
        }
    }
}
