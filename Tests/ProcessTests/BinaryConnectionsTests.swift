import Foundation
import SamovarWire
import Testing

extension RealProcesses {
    /// How many connections there may be, and what becomes of the others.
    @Suite("binary connections")
    struct BinaryConnectionsTests {
        @Test("one too many is told so, and a place that is free again is taken", arguments: BinaryPort.all)
        func tooMany(port: BinaryPort) throws {
            let scene = try BinaryScene(port) { $0.limits = ["connections_max": "3"] }
            var admitted = try (0..<3).map { _ in try scene.client() }

            let refused = try BinaryClient(to: scene.address, greets: false)
            #expect(refused.closes())
            #expect(refused.frames.map(\.code) == [.connectionsMax])
            admitted.removeLast()
            let isServedAgain = eventually { (try? scene.client()) != nil }

            #expect(isServedAgain)
            #expect(admitted.count == 2)
        }

        @Test(
            "with no descriptor left the process waits without spinning, and goes on when there is one",
            arguments: BinaryPort.overTCP)
        func noDescriptorLeft(port: BinaryPort) throws {
            let launcher = ["/bin/sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"]
            let scene = try BinaryScene(port, under: launcher) { $0.listen["loops"] = "2" }
            let chat = Chat("before the flood")
            _ = try scene.ask(chat)
            // Holds its place: what is open goes on.
            let early = try scene.client()

            var clients = try (0..<200).map { _ in try BinaryClient(to: scene.address, greets: false) }
            let busy = try scene.processorTime(during: .milliseconds(1_500))
            early.ask(1, chat)
            let reply = try early.reply(to: 1)
            clients.removeAll()
            let isServedAgain = eventually { (try? scene.ask(chat).code) == .some(nil) }

            #expect(busy < 0.4)
            #expect(reply.head?.result == .l1Hit)
            #expect(isServedAgain)
            #expect(scene.sidecar.process.hasEnded() == nil)
        }

        @Test("an idle one is sent GOAWAY and closed, and a living one is not", arguments: BinaryPort.overTCP)
        func idle(port: BinaryPort) throws {
            let scene = try BinaryScene(port) { $0.limits = ["idle_timeout": "600ms"] }
            let (idle, living) = (try scene.client(), try scene.client())
            let isClosed = eventually(within: .seconds(10)) {
                living.ping()
                _ = living.waits(within: .milliseconds(20)) { _ in false }
                _ = idle.raw.reads(within: .milliseconds(1)) { _ in false }
                return idle.raw.isClosedByPeer
            }
            #expect(isClosed)
            #expect(!living.raw.isClosedByPeer)
            #expect(idle.waits { $0.frames.contains { $0.opcode == .goAway } })
        }

        @Test("a silent one with requests is asked whether it lives, and given up", arguments: BinaryPort.overTCP)
        func silent(port: BinaryPort) throws {
            let scene = try BinaryScene(port, "--json-ms", "20000") { $0.limits = ["idle_timeout": "600ms"] }
            let client = try scene.client()
            client.ask(1, Chat("silence"))
            #expect(client.waits { $0.frames.contains { $0.opcode == .ping } })
            #expect(client.closes())
            #expect(client.connectionError == nil)
            #expect(try eventually { try scene.provider.counts().cancelled == 1 })
        }

        @Test("come and go without leaving anything behind", arguments: BinaryPort.all)
        func churn(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let chat = Chat("come and go")
            for _ in 0..<100 { _ = try scene.ask(chat) }
            #expect(try eventually { try scene.connectionCount == 0 })
            let (descriptors, size) = (try scene.sidecar.descriptorCount(), try scene.sidecar.residentSize())
            for _ in 0..<1_500 { _ = try scene.ask(chat) }
            #expect(try eventually { try scene.connectionCount == 0 })
            #expect(try eventually { try scene.sidecar.descriptorCount() <= descriptors })
            #expect(try scene.sidecar.residentSize() - size < 8 << 20)
        }
    }
}
