import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Redis Cluster", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(3)))
struct ClusterTests {
    private let clock = ShiftedClock()
    private let log = LogLines()

    private func answer(_ number: Int) -> Answer { Sample.answer(number, createdAt: clock.wallNow) }

    /// A name in each slot.
    private static let names: [String] = {
        var names = [String?](repeating: nil, count: HashSlot.count)
        var missingCount = names.count
        var number = 0
        while missingCount > 0 {
            let slot = Int(HashSlot(of: "\(number)").number)
            if names[slot] == nil {
                names[slot] = "\(number)"
                missingCount -= 1
            }
            number += 1
        }
        return names.compactMap { $0 }
    }()

    @Test("names of all slots are written and read, each at once where it belongs")
    func allSlots() async throws {
        let fleet = try await ClusterFleet()
        let primaries = try Primaries.forTest(.patient(fleet.url), log: log)
        try await until { primaries.liveNodes.count == 3 }
        var wrongCount = 0
        for start in stride(from: 0, to: HashSlot.count, by: 256) {
            wrongCount += await withTaskGroup(of: Bool.self) { group in
                for name in Self.names[start..<start + 256] {
                    group.addTask {
                        let written = await primaries.command(["SET", name, "v\(name)"], at: name)
                        let read = await primaries.command(["GET", name], at: name)
                        return written == .status("OK") && read == .bulk(Array("v\(name)".utf8))
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 0 : 1) }
            }
        }
        let counts = primaries.counts
        await primaries.shutdown()
        fleet.stop()

        #expect(wrongCount == 0)
        #expect(counts.movedCount == 0 && counts.askCount == 0 && counts.primaryCount == 3)
        #expect(log.count(containing: "redis: 3 primaries are now") == 1)
    }

    @Test("answers are kept on all primaries and found again")
    func store() async throws {
        let fleet = try await ClusterFleet()
        let store = try RedisStore.forTest(.patient(fleet.url), clock: clock, log: log)
        try await until { store.status().liveConnectionCount == 6 }
        let answers = (0..<250).map { answer($0) }
        for number in 0..<250 { await store.set(Sample.key(number), answers[number]) }
        var foundCount = 0
        for number in 0..<250 where same(await store.get(Sample.key(number))?.answer, answers[number]) {
            foundCount += 1
        }
        await store.remove(Sample.key(7))
        let removed = await store.get(Sample.key(7))
        let ping = await store.ping()
        let status = store.status()
        await store.shutdown()
        var sizes: [RESPValue?] = []
        for node in fleet.primaries {
            let admin = try await Admin(node.url)
            sizes.append(await admin.command("DBSIZE"))
            await admin.shutdown()
        }
        fleet.stop()

        #expect(foundCount == 250 && removed == nil && ping != nil)
        #expect(status.errorCount == 0 && status.breakerState == .closed && status.connectCount == 6)
        #expect(status.topology.movedCount == 0)
        let counts = sizes.map { size -> Int64 in
            if case .integer(let count)? = size { count } else { 0 }
        }
        #expect(counts.reduce(0, +) == 249 && counts.allSatisfy { $0 > 50 })
    }

    @Test("a slot that wanders to a node without slots is followed at every step, and nothing is lost or done twice")
    func migration() async throws {
        let fleet = try await ClusterFleet(hasSpare: true)
        let target = try #require(fleet.spare)
        let tag = "{wanderer}"
        let slot = HashSlot(of: tag)
        let source = fleet.owner(of: slot)
        let (from, to) = (try await Admin(source.url), try await Admin(target.url))
        let primaries = try Primaries.forTest(.patient(fleet.url), log: log)
        try await until { primaries.liveNodes.count == 3 }
        for name in ["\(tag)a", "\(tag)b"] { _ = await primaries.command(["SET", name, "0"], at: name) }

        await to.command("CLUSTER", "SETSLOT", "\(slot.number)", "IMPORTING", source.identifier)
        await from.command("CLUSTER", "SETSLOT", "\(slot.number)", "MIGRATING", target.identifier)
        // What is still there is done there; what is not yet anywhere comes to be at the target.
        let there = await primaries.command(["INCR", "\(tag)a"], at: tag)
        let beforeAsk = primaries.counts
        let new = await primaries.command(["INCR", "\(tag)c"], at: tag)
        let afterAsk = primaries.counts
        let isAtTarget = await Self.asking(to, "EXISTS", "\(tag)c")
        // Each of several commands gets its own leave to enter.
        let two = await primaries.send(
            [["INCR", "\(tag)d"], ["INCR", "\(tag)a"], ["INCR", "\(tag)d"]].map { $0.map { Array($0.utf8) } },
            at: Array(tag.utf8), timeout: .seconds(10))
        let afterTwo = primaries.counts
        // One of two names is here, the other there.
        let apart = await primaries.command(["EXISTS", "\(tag)a", "\(tag)c"], at: tag)
        let afterApart = primaries.counts
        for name in ["\(tag)a", "\(tag)b"] {
            await from.command("MIGRATE", "127.0.0.1", "\(target.port)", name, "0", "10000")
        }
        let together = await primaries.command(["EXISTS", "\(tag)a", "\(tag)c"], at: tag)
        let moved = await primaries.command(["INCR", "\(tag)a"], at: tag)
        let beforeMove = primaries.counts

        for node in [target] + fleet.primaries {
            let admin = try await Admin(node.url)
            await admin.command("CLUSTER", "SETSLOT", "\(slot.number)", "NODE", target.identifier)
            await admin.shutdown()
        }
        let after = await primaries.command(["INCR", "\(tag)a"], at: tag)
        let again = await primaries.command(["INCR", "\(tag)a"], at: tag)
        let atEnd = primaries.counts
        try await until { primaries.counts.primaryCount == 4 }
        await primaries.shutdown()
        await from.shutdown()
        await to.shutdown()
        fleet.stop()

        #expect(there == .integer(1) && beforeAsk.askCount == 0)
        #expect(new == .integer(1) && afterAsk.askCount == 1 && isAtTarget == .integer(1))
        #expect(try two.outcome.get() == [.integer(1), .integer(2), .integer(2)] && afterTwo.askCount == 2)
        #expect(apart == .error(ServerError(code: "TRYAGAIN")) && afterApart.tryAgainCount == 1)
        #expect(together == .integer(2) && moved == .integer(3))
        #expect(beforeMove.movedCount == 0)
        #expect(after == .integer(4) && again == .integer(5) && atEnd.movedCount == 1)
    }

    private static func asking(_ admin: Admin, _ words: String...) async -> RESPValue? {
        let commands = [["ASKING"], words].map { $0.map { Array($0.utf8) } }
        return try? await admin.client.send(commands, timeout: .seconds(10)).outcome.get().last
    }

    @Test("slots that wander under load make no answer wrong, lost or doubtful")
    func underLoad() async throws {
        let fleet = try await ClusterFleet()
        let store = try RedisStore.forTest(.patient(fleet.url), clock: clock, log: log)
        try await until { store.status().liveConnectionCount == 6 }
        let answers = (0..<40).map { answer($0) }
        for number in answers.indices { await store.set(Sample.key(number), answers[number]) }
        let wrongCount = try await withThrowingTaskGroup(of: Int.self) { group in
            for reader in 0..<4 {
                group.addTask {
                    var wrongCount = 0
                    var number = reader
                    while !Task.isCancelled {
                        let found = await store.get(Sample.key(number % 40))
                        // Whoever is called back has not looked.
                        if !same(found?.answer, answers[number % 40]), !Task.isCancelled { wrongCount += 1 }
                        number += 1
                    }
                    return wrongCount
                }
            }
            for number in answers.indices { try await Self.move(HashSlot(of: name(number)), fleet) }
            group.cancelAll()
            return try await group.reduce(0, +)
        }
        let status = store.status()
        await store.shutdown()
        fleet.stop()

        #expect(wrongCount == 0)
        #expect(status.errorCount == 0 && status.timeoutCount == 0 && status.damagedCount == 0)
        #expect(status.topology.askCount + status.topology.movedCount > 0)
    }

    /// Moves a slot with all that is in it to the next primary.
    private static func move(_ slot: HashSlot, _ fleet: ClusterFleet) async throws {
        let source = fleet.owner(of: slot)
        let index = fleet.primaries.firstIndex { $0.identifier == source.identifier } ?? 0
        let target = fleet.primaries[(index + 1) % fleet.primaries.count]
        let (from, to) = (try await Admin(source.url), try await Admin(target.url))
        await to.command("CLUSTER", "SETSLOT", "\(slot.number)", "IMPORTING", source.identifier)
        await from.command("CLUSTER", "SETSLOT", "\(slot.number)", "MIGRATING", target.identifier)
        if case .array(let names)? = await from.command("CLUSTER", "GETKEYSINSLOT", "\(slot.number)", "10") {
            for case .bulk(let name) in names {
                let words = ["MIGRATE", "127.0.0.1", "\(target.port)"].map { Array($0.utf8) }
                _ = await from.bytes(words + [name, Array("0".utf8), Array("10000".utf8)])
            }
        }
        await to.command("CLUSTER", "SETSLOT", "\(slot.number)", "NODE", target.identifier)
        await from.command("CLUSTER", "SETSLOT", "\(slot.number)", "NODE", target.identifier)
        await from.shutdown()
        await to.shutdown()
    }

    @Test("when a primary is killed the others go on; its slots come back once a replica has taken over")
    func killed() async throws {
        let fleet = try await ClusterFleet(hasReplicas: true)
        let store = try RedisStore.forTest(.patient(fleet.url), clock: clock, log: log)
        try await until { store.status().liveConnectionCount == 6 }
        let answers = (0..<60).map { answer($0) }
        for number in answers.indices { await store.set(Sample.key(number), answers[number]) }
        let victim = fleet.primaries[1]
        let (mourned, others) = (0..<60).reduce(into: ([Int](), [Int]())) { parts, number in
            if fleet.owner(of: HashSlot(of: name(number))).identifier == victim.identifier {
                parts.0.append(number)
            } else {
                parts.1.append(number)
            }
        }
        victim.server.kill()
        // Enough failures for a breaker.
        for number in mourned.prefix(10) { _ = await store.get(Sample.key(number)) }
        let during = store.status()
        var foundCount = 0
        for number in others where same(await store.get(Sample.key(number))?.answer, answers[number]) {
            foundCount += 1
        }
        try await until {
            let answer = answer(1_000)
            await store.set(Sample.key(mourned[0]), answer)
            return same(await store.get(Sample.key(mourned[0]))?.answer, answer)
        }
        let after = store.status()
        await store.shutdown()
        fleet.stop()

        #expect(mourned.count > 5)
        #expect(during.breakerState == .halfOpen)
        #expect(foundCount == others.count)
        #expect(after.breakerState == .closed && after.topology.primaryCount == 3 && after.damagedCount == 0)
        #expect(log.count(containing: "redis: 127.0.0.1:\(victim.port): down, going on without it") == 1)
        #expect(log.count(containing: ": down, going on without it") == 1)
    }

    @Test("a node that does not answer where we were sent costs the command, in its own time, and no breaker")
    func frozenTarget() async throws {
        let fleet = try await ClusterFleet(primaryCount: 2)
        let primaries = try Primaries.forTest(.patient(fleet.url), log: log)
        try await until { primaries.liveNodes.count == 2 }
        let slot = HashSlot(of: "wanderer")
        let source = fleet.owner(of: slot)
        let target = try #require(fleet.primaries.first { $0.identifier != source.identifier })
        let (from, to) = (try await Admin(source.url), try await Admin(target.url))
        await to.command("CLUSTER", "SETSLOT", "\(slot.number)", "IMPORTING", source.identifier)
        await from.command("CLUSTER", "SETSLOT", "\(slot.number)", "MIGRATING", target.identifier)
        target.server.freeze()
        let exchange = await primaries.exchange(["GET", "wanderer"], at: "wanderer", timeout: .seconds(3))
        let counts = primaries.counts
        target.server.thaw()
        await primaries.shutdown()
        await from.shutdown()
        await to.shutdown()
        fleet.stop()

        #expect(exchange.outcome == .failure(.sentOn))
        #expect(counts.askCount == 1)
    }

    @Test("a store that starts before its cluster goes on without it, says so once, and joins it when it is there")
    func absent() async throws {
        let ports = try (0..<2).map { _ in try freePort() }
        let store = try RedisStore.forTest(.patient("redis+cluster://127.0.0.1:\(ports[1])"), clock: clock, log: log)
        await log.wait(for: "redis: no primary found yet")
        while store.status().breakerState == .closed { _ = await store.get(Sample.key(1)) }
        let fleet = try await ClusterFleet(primaryCount: 2, ports: ports)
        let answer = answer(1)
        try await until {
            await store.set(Sample.key(1), answer)
            return same(await store.get(Sample.key(1))?.answer, answer)
        }
        let status = store.status()
        await store.shutdown()
        fleet.stop()

        #expect(status.breakerState == .closed && status.topology.primaryCount == 2)
        #expect(log.count(containing: "redis: no primary found yet") == 1)
        #expect(log.count(containing: "redis: down") == 1 && log.count(containing: "redis: back") == 1)
    }

    @Test("nodes that are none, say nonsense or are not there are passed over for the next one in the url")
    func wrongFirst() async throws {
        let fleet = try await ClusterFleet(primaryCount: 2)
        let single = try RedisServer()
        let nonsense = try await CannedPeer.start(
            "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\n?\r\n:1\r\n$1\r\nx\r\n")
        let partial = try await CannedPeer.start(
            "*1\r\n*3\r\n:0\r\n:99\r\n*3\r\n$9\r\n127.0.0.1\r\n:1\r\n$1\r\nx\r\n")
        let wrong =
            "127.0.0.1:\(try freePort()),127.0.0.1:\(single.port),127.0.0.1:\(nonsense.port),127.0.0.1:\(partial.port)"
        let lost = try RedisStore.forTest(.patient("redis+cluster://\(wrong)"), clock: clock, log: log)
        await log.wait(for: "redis: no primary found yet")
        let none = await lost.get(Sample.key(1))
        await lost.shutdown()
        let store = try RedisStore.forTest(
            .patient("redis+cluster://\(wrong),127.0.0.1:\(fleet.primaries[1].port)"), clock: clock)
        let answer = answer(1)
        try await until {
            await store.set(Sample.key(1), answer)
            return same(await store.get(Sample.key(1))?.answer, answer)
        }
        let status = store.status()
        await store.shutdown()
        await nonsense.stop()
        await partial.stop()
        fleet.stop()

        #expect(none == nil && lost.status().topology.mapCount == 0)
        #expect(log.count(containing: "redis: no primary found yet, going on without it: 127.0.0.1:") > 0)
        #expect(status.topology.primaryCount == 2)
    }

    @Test("a user with the documented minimum of commands is enough, redirections included")
    func minimum() async throws {
        let fleet = try await ClusterFleet(hasSpare: true)
        for node in fleet.nodes {
            try await MinimumUser.install(MinimumUser.store + MinimumUser.inCluster, at: node.url)
        }
        let target = try #require(fleet.spare)
        let slot = HashSlot(of: name(1))
        let source = fleet.owner(of: slot)
        let (from, to) = (try await Admin(source.url), try await Admin(target.url))
        let store = try RedisStore.forTest(
            .patient("redis+cluster://\(MinimumUser.userInfo)127.0.0.1:\(source.port)"), clock: clock, log: log)
        try await until { store.status().liveConnectionCount == 6 }
        await to.command("CLUSTER", "SETSLOT", "\(slot.number)", "IMPORTING", source.identifier)
        await from.command("CLUSTER", "SETSLOT", "\(slot.number)", "MIGRATING", target.identifier)
        let answer = answer(1)
        await store.set(Sample.key(1), answer)
        let found = await store.get(Sample.key(1))
        await store.remove(Sample.key(1))
        let removed = await store.get(Sample.key(1))
        let bob = try RedisStore.forTest(
            .patient("redis+cluster://\(MinimumUser.userInfo)127.0.0.1:\(source.port)"), clock: clock)
        try await until { bob.status().liveConnectionCount == 6 }
        var journeys: [Bool] = []
        for number in 2..<12 {
            let answer = self.answer(number)
            journeys.append(await LeaseJourney(number, answer, alice: store, bob: bob).isGood(answer))
        }
        let word = FleetWord(number: 1, upstreams: [.init(name: "one", demand: 1, claim: 1)])
        _ = await store.exchange(word, life: .seconds(30))
        let words = await bob.exchange(word, life: .seconds(30))
        let status = store.status()
        await bob.shutdown()
        await store.shutdown()
        await from.shutdown()
        await to.shutdown()
        fleet.stop()

        #expect(same(found?.answer, answer) && removed == nil)
        #expect(journeys == Array(repeating: true, count: 10))
        #expect(words == .heard([store.pod: word]))
        #expect(status.errorCount == 0 && status.topology.askCount == 4 && status.leaseBreakerState == .closed)
    }
}
