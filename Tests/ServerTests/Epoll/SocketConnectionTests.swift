import Glibc
import NIOPosix
import SamovarCore
import SamovarEngine
import SamovarWire
import Testing

@testable import SamovarServer

@Suite("A connection of an epoll loop")
struct SocketConnectionTests {
    private static let front: Front = {
        let metrics = Metrics()
        let loop = LoopExecutor(MultiThreadedEventLoopGroup.singleton.next())
        let clock = LoopClock()
        let pipeline = Pipeline(
            l1: MemoryCache(sizeMax: 1 << 20, itemSizeMax: 1 << 18, metrics: metrics), store: nil,
            upstreams: UpstreamPool([]), clock: clock, metrics: metrics, settings: .init())
        return Front(
            pipeline: pipeline, passThroughs: [:], clock: clock,
            settings: FrontSettings(routes: RouteTable(routes: [Route()]), pass: PassRule(hasConfiguredKey: false)),
            loops: [loop])
    }()

    /// A connection on one end of a pair of sockets.
    private final class Fixture {
        let loop: EpollLoop
        let connection: SocketConnection
        let descriptor: Int32
        let other: Int32
        let count = Counter()

        /// How often it has ended.
        final class Counter { var value = 0 }

        init(service: ScriptedService = ScriptedService()) throws {
            loop = try EpollLoop(lane: 0, front: front, settings: .init())
            var pair: [Int32] = [-1, -1]
            socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair)
            (descriptor, other) = (pair[0], pair[1])
            let machine = BinaryConnection(service: service, settings: .init(), at: front.clock.now)
            let count = count
            let socket = Socket(descriptor: descriptor)
            connection = loop.take(socket) { place in
                MachineConnection(machine, socket, place, LoopTurn(), front: front) { count.value += 1 }
            }
        }

    }

    @Test("reads nothing once it has ended: its descriptor may be another's")
    func staleEvent() throws {
        let fixture = try Fixture()
        fixture.connection.close()
        // Somebody else is given the number.
        var pair: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
        dup2(pair[0], fixture.descriptor)
        defer { for descriptor in pair + [fixture.descriptor] { close(descriptor) } }
        var bytes: [UInt8] = [1, 2, 3]
        write(pair[1], &bytes, 3)

        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
        defer { room.deallocate() }
        fixture.connection.readable(into: room)
        fixture.connection.writable()
        fixture.connection.woken(at: .zero)

        #expect(recv(pair[0], &bytes, 3, Int32(MSG_DONTWAIT)) == 3, "they are still there for whom they were sent to")
    }

    @Test("ends once, however often it is told to")
    func endsOnce() throws {
        let fixture = try Fixture()
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
        defer { room.deallocate() }
        close(fixture.other)
        for _ in 0..<3 {
            fixture.connection.readable(into: room)
            fixture.connection.close()
            fixture.connection.leave()
        }
        #expect(fixture.count.value == 1)
    }
}
