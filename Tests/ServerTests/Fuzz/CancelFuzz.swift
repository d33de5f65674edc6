import NIOCore
import NIOPosix
import SamovarCore
import SamovarEngine
import SamovarWire
import Synchronization
import TestSupport

@testable import SamovarServer

/// CANCEL against completion: two clients, three questions that they share, an upstream that answers when it is told
/// to, and everything between them that the daemon has. Each byte is one thing that happens; the order in which tasks
/// run is a part of it.
///
/// Every request has exactly one end, and at the end nothing is left: no frame, no flight, no attempt, no exchange, and
/// nobody who waits.
public func fuzzCancel(_ bytes: [UInt8]) throws(BrokenPromise) {
    let loop = SteppedLoop()
    let stage = Stage(loops: [loop])
    for client in 0..<2 { stage.connect(client, lane: 0) { body in body() } }
    for byte in bytes {
        let choice = Int(byte >> 3)
        switch byte & 7 {
        case 6: for _ in 0...choice { _ = loop.step(choice) }
        case 7: while loop.step(choice) {}
        default: stage.happen(byte)
        }
    }
    // Everybody does what is theirs to do.
    stage.release()
    for _ in 0..<3 {
        while loop.step() {}
        stage.release()
    }
    while loop.step() {}
    for peer in stage.peers { try promise(peer.openCount == 0, "\(peer.openCount) requests have no end") }
    try stage.empty()
    for peer in stage.peers { peer.leave() }
    stage.close()
    while loop.step() {}
    try stage.left()
}

/// The same on two loops with threads of their own, each client on one, and the upstream's words from a third thread.
/// What the bytes say is begun in their order; who is first is the machine's affair.
public func raceCancel(_ bytes: [UInt8]) throws(BrokenPromise) {
    let loops = Threads.loops
    let stage = Stage(loops: loops)
    for client in 0..<2 { stage.connect(client, lane: client) { body in loops[client].execute(body) } }
    for byte in bytes { stage.happen(byte) }
    let deadline = SystemClock().now.advanced(by: .seconds(20))
    func wait(_ sentence: String, until isTrue: () -> Bool) throws(BrokenPromise) {
        while !isTrue() {
            try promise(SystemClock().now < deadline, sentence)
            stage.release()
            Threads.turn()
        }
    }
    try wait("a request has no end") { stage.onLoops { peer in peer.isIdle }.allSatisfy(\.self) }
    try wait("a flight or an attempt is left") { stage.isEmpty }
    _ = stage.onLoops { peer in peer.leave() }
    stage.close()
    try wait("somebody still serves or flies") { stage.hasStopped }
    Threads.turn()
    try stage.left()
}

private enum Threads {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    static let loops: [any EventLoop] = Array(group.makeIterator())

    /// Both loops have done what was theirs so far.
    static func turn() { for loop in loops { try? loop.submit {}.wait() } }
}

/// How many of the two that run for ever have stopped.
private final class Stops: Sendable {
    let count = Atomic(0)
}

/// A process with its parts and two clients.
private final class Stage: @unchecked Sendable {
    private let loops: [any EventLoop]
    private let upstream = HeldUpstream()
    private let pipeline: Pipeline
    private let front: Front
    private let stops = Stops()
    private(set) var peers: [ServedPeer] = []
    private var carriers: [(@escaping @Sendable () -> Void) -> Void] = []

    init(loops: [any EventLoop]) {
        self.loops = loops
        let executors = loops.map { LoopExecutor($0) }
        let metrics = Metrics()
        let member = UpstreamPool.Member(
            limits: UpstreamLimits(name: "held"), alwaysStreams: false, usageChunk: .leave, upstream: upstream)
        pipeline = Pipeline(
            l1: MemoryCache(sizeMax: 1 << 16, itemSizeMax: 1 << 14, metrics: metrics), store: nil,
            upstreams: UpstreamPool([member]), clock: StillClock(), metrics: metrics,
            // Where time stands still nobody waits for a second attempt.
            settings: .init(admission: AdmissionSettings(retryRatio: 0)),
            lanes: executors)
        front = Front(
            pipeline: pipeline, passThroughs: [:], clock: StillClock(),
            settings: FrontSettings(
                routes: RouteTable(routes: [Route(upstreams: ["held"])]), pass: PassRule(hasConfiguredKey: false)),
            loops: executors, bodyMemoSizeMax: 4_096)
        Task(executorPreference: executors[0]) { [pipeline, stops] in
            await pipeline.run()
            stops.count.add(1, ordering: .sequentiallyConsistent)
        }
        Task(executorPreference: executors[0]) { [front, stops] in
            await front.run()
            stops.count.add(1, ordering: .sequentiallyConsistent)
        }
    }

    func connect(_ client: Int, lane: Int, _ carry: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        peers.append(ServedPeer(front, lane: lane, execute: carry))
        carriers.append(carry)
    }

    /// One byte's worth: who, which id, which question.
    func happen(_ byte: UInt8) {
        let choice = Int(byte >> 3)
        let (peer, carry) = (peers[choice & 1], carriers[choice & 1])
        let id = UInt64(1 + choice >> 1 & 3)
        switch byte & 7 {
        case 0, 1:
            let prompt: Character = choice & 8 == 0 ? "a" : "b"
            carry { peer.ask(id, prompt, stream: byte & 7 == 0, noStore: choice & 16 != 0) }
        case 2, 3: carry { peer.cancel(id) }
        case 4:
            let lines = upstream.lines
            guard !lines.isEmpty else { return }
            let act: HeldUpstream.Act = choice & 3 == 0 ? .finish : choice & 7 == 1 ? .fail : .token
            lines[choice >> 3 % lines.count].say(act)
        default:
            switch choice >> 1 {
            case 0: carry { peer.block(after: 40) }
            case 1: carry { peer.disconnect() }
            default: carry { peer.drain() }
            }
        }
    }

    /// Sockets take what there is, and the upstream finishes what it has begun.
    func release() {
        for (peer, carry) in zip(peers, carriers) { carry { peer.drain() } }
        for line in upstream.lines { line.say(.finish) }
    }

    func onLoops<Result: Sendable>(_ body: @escaping @Sendable (ServedPeer) -> Result) -> [Result] {
        zip(peers, loops).compactMap { peer, loop in try? loop.submit { body(peer) }.wait() }
    }

    func close() {
        front.close()
        pipeline.close()
    }

    var isEmpty: Bool { pipeline.flightCount == 0 && upstream.runningCount == 0 }
    var hasStopped: Bool { stops.count.load(ordering: .sequentiallyConsistent) == 2 }

    func empty() throws(BrokenPromise) {
        try promise(pipeline.flightCount == 0, "\(pipeline.flightCount) flights are left")
        try promise(upstream.runningCount == 0, "\(upstream.runningCount) attempts are left")
    }

    /// When everything has stopped.
    func left() throws(BrokenPromise) {
        try promise(hasStopped, "somebody still waits to be woken")
        try empty()
        for peer in peers {
            try promise(peer.broken == nil, peer.broken ?? "")
            try promise(peer.leakCount == 0, "\(peer.leakCount) exchanges are left")
        }
    }
}

/// No time passes, so no deadline does.
private struct StillClock: MonotonicClock {
    var now: Instant { Instant(nanoseconds: 1_000_000_000_000) }
    var wallNow: WallTime { WallTime(milliseconds: 1_700_000_000_000) }
    func sleep(until deadline: Instant) async throws { throw CancellationError() }
    func call(at instant: Instant, _ body: @escaping @Sendable () -> Void) {}
}
