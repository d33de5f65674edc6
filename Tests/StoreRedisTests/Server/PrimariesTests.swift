import NIOPosix
import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Primaries", .enabled(if: RedisServer.isInstalled, Comment(rawValue: RedisServer.skipMessage)),
    .timeLimit(.minutes(2)))
struct PrimariesTests {
    private func address(_ server: RedisServer) -> Endpoint.Address { .tcp(host: "127.0.0.1", port: server.port) }

    @Test(
        "what is under way to a primary that is one no more fails; what comes goes to the new one, and who wants to is told"
    )
    func retired() async throws {
        let (first, second) = (try RedisServer(), try RedisServer())
        let primaries = try Primaries.forTest(.patient(first.url))
        let told = Lock<[[Endpoint.Address]]>([])
        primaries.onChange { addresses in told.withLock { $0.append(addresses) } }
        _ = await primaries.connected()
        let admin = try await Admin(first.url)
        async let blocked = primaries.exchange(["BLPOP", "x", "0"], at: "x")
        try await until { await admin.text("CLIENT", "LIST").contains("cmd=blpop") }
        let retired = primaries.adopt(address(second))
        await Primaries.shutdown(retired)
        let outcome = await blocked.outcome
        try await until { await primaries.command(["SET", "x", "1"], at: "x") == .status("OK") }
        let onFirst = await admin.command("EXISTS", "x")
        try await until { await admin.text("CLIENT", "LIST").split(separator: "\n").count == 1 }
        let same = primaries.adopt(address(second))
        let counts = primaries.counts
        let connectCount = primaries.connectCount
        await primaries.shutdown()
        await admin.shutdown()

        #expect(outcome == .failure(.lost(.shutDown)))
        #expect(onFirst == .integer(0))
        #expect(told.withLock { $0 } == [[address(second)]] && same.isEmpty)
        #expect(counts.changeCount == 2 && connectCount >= 3)
    }

    @Test("a connection of one's own goes to whoever keeps the name by then")
    func line() async throws {
        let (first, second) = (try RedisServer(), try RedisServer())
        let primaries = try Primaries.forTest(.patient(first.url))
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        func port(_ settings: Line.Settings) async throws -> RESPValue? {
            let command = ["CONFIG", "GET", "port"].map { Array($0.utf8) }
            guard
                case .array(let parts) = try await Inquiry.ask(command, at: settings, on: loop, clock: SystemClock())
                    .get()
            else { return nil }
            return parts.last
        }
        let (one, any) = (primaries.line(at: Array("x".utf8)), primaries.lineAnywhere())
        let before = [try await port(one), try await port(any)]
        await Primaries.shutdown(primaries.adopt(address(second)))
        let after = [try await port(one), try await port(any)]
        await primaries.shutdown()

        let (old, new) = (RESPValue.bulk(Array("\(first.port)".utf8)), RESPValue.bulk(Array("\(second.port)".utf8)))
        #expect(before == [old, old] && after == [new, new])
    }

    @Test("while no primary is known there is nowhere to connect to, and commands fail at once")
    func nowhere() async throws {
        let primaries = try Primaries.forTest(.patient("redis+cluster://127.0.0.1:\(try freePort())"))
        let exchange = await primaries.exchange(["GET", "x"], at: "x")
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let asked = await Inquiry.ask(nil, at: primaries.lineAnywhere(), on: loop, clock: SystemClock())
        await primaries.shutdown()
        #expect(exchange.outcome == .failure(.notConnected))
        #expect(asked == .failure(.unreachable("no primary is known")))
    }

    @Test("servers to which nodes send us are connected to up to a limit")
    func guests() async throws {
        let fleet = try await ClusterFleet(primaryCount: 1)
        let primaries = try Primaries.forTest(.patient(fleet.url))
        try await until { primaries.liveNodes.count == 1 }
        let node = try #require(primaries.anyNode)
        var isKnown: [Bool] = []
        for port in 1...Primaries.guestMax + 1 {
            let line = Array("ASK 1 127.0.0.1:\(port)".utf8)
            let redirection = try #require(ServerError(line: line).redirection)
            isKnown.append(primaries.node(sentTo: redirection, by: node) != nil)
        }
        await primaries.shutdown()
        fleet.stop()
        #expect(isKnown == Array(repeating: true, count: Primaries.guestMax) + [false])
    }
}
