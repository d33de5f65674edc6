import AsyncHTTPClient
import NIOCore
import NIOPosix
import SamovarCore
import SamovarEngine

/// One HTTP client for each event loop, so that a call stays on the thread that makes it. Drives `LaneShares`.
///
/// A client that is shared by loops hands out whichever connection is idle: a call on another loop's connection
/// crosses threads at its head, at its body, and again for each piece of the answer, and every crossing is a wake-up.
final class LoopClients: Sendable {
    /// One client, and the loop that it lives on.
    struct Seat: Sendable {
        let client: HTTPClient
        let eventLoop: any EventLoop
        fileprivate let lane: Int
    }

    private let loops: [any EventLoop]
    private let clients: [HTTPClient]
    private let shares: Lock<LaneShares>

    /// - Parameter connectionsMax: of all clients together. A call that finds all of them in use waits for one.
    init(group: any EventLoopGroup, connectionsMax: Int, configuration: HTTPClient.Configuration) {
        let loops = Array(group.makeIterator())
        let shares = LaneShares(callsMax: connectionsMax, laneCount: loops.count)
        clients = zip(loops, shares.shares).map { loop, share in
            var configuration = configuration
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = share
            return HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration)
        }
        self.loops = loops
        self.shares = Lock(shares)
    }

    /// The client for one call: this loop's, unless its connections are used up. To be given back.
    func take() -> Seat {
        let here = MultiThreadedEventLoopGroup.currentEventLoop
        let own = here.flatMap { here in loops.firstIndex { $0 === here } }
        let lane = shares.withLock { $0.take(from: own) }
        return Seat(client: clients[lane], eventLoop: loops[lane], lane: lane)
    }

    func giveBack(_ seat: Seat) {
        shares.withLock { $0.giveBack(seat.lane) }
    }

    /// Closes all connections. To be called once, last.
    func shutdown() async {
        for client in clients { try? await client.shutdown() }
    }
}
