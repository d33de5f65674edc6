import SamovarCore
import SamovarWire
import TestSupport
import Testing

@testable import SamovarServer

/// A client, a service and a socket that do whatever they may in any order; what the server sends is held against the
/// protocol's invariants.
private struct Schedule {
    /// What was asked under one id, and what of it has come.
    private struct Open {
        /// All the answer may have; nil where it has none.
        var answer: [UInt8]?
        let events: Bool
        var credit: Int
        var seen: [UInt8] = []
        var event: [UInt8] = []
        var total: Int?
    }

    /// A request that the service has and has not finished.
    private struct Job {
        let id: UInt64
        var pieces: ArraySlice<[UInt8]>
        let isStream: Bool
        var hasBegun = false
    }

    private let peer: BinaryPeer
    private var random: SeededGenerator
    private var open: [UInt64: Open] = [:]
    private var jobs: [UInt64: Job] = [:]
    /// What will be handed over, in the order in which it was asked for.
    private var planned: [Job] = []
    private var handoverCount = 0
    private var readCount = 0
    private(set) var endCount = 0
    private(set) var askCount = 0
    private(set) var codes: Set<ErrorCode> = []
    private static let window: UInt32 = 2_048
    private static let ids: ClosedRange<UInt64> = 1...9

    private static let stored: [String: Recording] = [
        "small": Sample.body(50), "large": Sample.body(30_000), "window": Sample.body(2_048),
        "stream": Sample.stream(40, of: 333), "windowed": Sample.stream(4, of: 512),
    ]

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        peer = BinaryPeer(ScriptedService(Self.stored), window: Self.window, isAdmin: true) { settings in
            settings.limits.chunkSize = 1_024
            settings.limits.outputSizeMax = 40_000
            settings.limits.inflightMax = 7
            settings.followerLagMax = 6_000
        }
    }

    private mutating func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: choices.indices, using: &random)] }
    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func run(steps: Int) {
        for _ in 0..<steps where !peer.connection.isClosed {
            step()
            check()
        }
        finish()
    }

    private mutating func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<25: ask()
        case ..<40: work()
        case ..<60: work()
        case ..<70: peer.cancel(UInt64.random(in: Self.ids, using: &random))
        case ..<80:
            let credit = UInt32.random(in: 1...3_000, using: &random)
            let id = UInt64.random(in: Self.ids, using: &random)
            open[id]?.credit += Int(credit)
            peer.credit(id, credit)
        case ..<85: peer.connection.block(after: Int.random(in: 0...2_000, using: &random))
        case ..<93: peer.connection.drain(chance(50) ? .max : Int.random(in: 0...20_000, using: &random))
        case ..<96: peer.connection.receive(BinaryPeer.pinging(random.next()))
        default: peer.connection.pass(.milliseconds(Int.random(in: 0...2_000, using: &random)))
        }
    }

    private mutating func ask() {
        let id = UInt64.random(in: Self.ids, using: &random)
        let model = pick(["small", "large", "window", "stream", "windowed", "made", "made", "made", "made", "refused"])
        let recording = Self.stored[model]
        let stream = recording.map { $0.form == .stream } ?? chance(50)
        let events = chance(40)
        let isRefused = open[id] != nil || open.count >= peer.settings.limits.inflightMax
        // While an end may be on its way a client cannot know whether its id is free.
        guard !isRefused || peer.connection.unsentCount == 0 else { return }
        askCount += 1
        if !isRefused {
            let pieces = stream ? makeEvents() : [Sample.text(Int.random(in: 0...9_000, using: &random))]
            let answer = model == "made" ? pieces.flatMap { $0 } : recording.map(Sample.bytes)
            open[id] = Open(answer: answer, events: events && stream, credit: Int(Self.window))
            if model == "made" { planned.append(Job(id: id, pieces: pieces[...], isStream: stream)) }
        }
        var bytes = BinaryPeer.asking(id, model, stream: stream, events: events)
        // One more in the segment, for turns in which several things happen.
        if chance(20) { bytes += BinaryPeer.cancelling(id) }
        peer.connection.receive(bytes)
    }

    private mutating func makeEvents() -> [[UInt8]] {
        (0..<Int.random(in: 0...20, using: &random)).map {
            Sample.event($0, Int.random(in: 12...1_500, using: &random))
        }
    }

    /// The service goes on with something, whether anybody still waits for it or not.
    private mutating func work() {
        guard let number = jobs.keys.sorted().randomElement(using: &random), var job = jobs[number] else { return }
        let part: ReplyPart
        var isLast = true
        if chance(5) {
            part = job.hasBegun && chance(50) ? .end(isCut: true) : .failed(FailedReply(.upstreamCut))
        } else if !job.isStream || (!job.hasBegun && chance(20)) {
            part = .answer(.init(.miss, job.isStream ? .stream : .body), job.pieces.flatMap { $0 })
        } else if !job.hasBegun {
            part = .begin(.init(.miss, .stream))
            job.hasBegun = true
            isLast = false
        } else if let piece = job.pieces.popFirst() {
            part = .piece(piece)
            isLast = false
        } else {
            part = .end(isCut: false)
        }
        jobs[number] = isLast ? nil : job
        peer.connection.reply(part, to: number)
    }

    /// Reads what has come since the last time.
    private mutating func check() {
        for handover in peer.connection.handovers[handoverCount...] { jobs[handover.number] = planned.removeFirst() }
        handoverCount = peer.connection.handovers.count
        let frames = peer.frames
        for frame in frames[readCount...] { read(frame) }
        readCount = frames.count
    }

    private mutating func read(_ frame: Frame) {
        if frame.id == 0 {
            #expect([.helloReply, .pong, .ping].contains(frame.opcode))
            return
        }
        if frame.code == .duplicateID || frame.code == .inflightMax {
            #expect(frame.isEnd == (frame.code == .inflightMax))
            #expect((open[frame.id] != nil) == (frame.code == .duplicateID))
            return
        }
        guard var request = open[frame.id] else {
            Issue.record("a frame for \(frame.id), which is not in flight: \(frame)")
            return
        }
        let bytes = frame.bytes
        request.credit -= bytes.count
        request.seen += bytes
        #expect(request.credit >= 0)
        #expect(bytes.count <= peer.settings.limits.chunkSize)
        #expect(frame.opcode != .answer || request.seen.count == bytes.count, "one ANSWER, and first")
        if frame.opcode == .answer { request.total = frame.head?.total.map { Int($0) } }
        if let answer = request.answer { #expect(answer.starts(with: request.seen)) }
        if request.events {
            request.event += bytes
            #expect(
                String(decoding: request.event, as: UTF8.self).hasSuffix("\n\n")
                    == (frame.endsEvent && !request.event.isEmpty))
            if frame.endsEvent { request.event = [] }
        } else {
            #expect(!frame.endsEvent)
        }
        open[frame.id] = request
        guard frame.isEnd else { return }
        endCount += 1
        open[frame.id] = nil
        if let code = frame.code {
            codes.insert(code)
        } else {
            #expect(request.seen == request.answer)
            #expect(request.total == nil || request.total == request.seen.count)
        }
    }

    /// Everybody does what is theirs to do: then every request has had its end.
    private mutating func finish() {
        peer.connection.drain()
        check()
        while !jobs.isEmpty { work() }
        check()
        // Only a reader that gave no credit is still owed something.
        for (id, request) in open { #expect(request.credit == 0, "\(id) waits for nothing") }
        for id in Self.ids {
            open[id]?.credit += 1 << 20
            peer.credit(id, 1 << 20)
        }
        check()
        #expect(open.isEmpty, "without an end: \(open.keys.sorted())")
        #expect(!peer.connection.isClosed)
        peer.connection.leave()
        #expect(peer.connection.outputIsShut, "nothing is in flight any more")
    }
}

@Suite("Whatever happens in whatever order")
struct ScheduleTests {
    @Test("every request has one end, and every frame is one that the protocol allows", arguments: 0..<10)
    func random(part: UInt64) {
        var askCount = 0
        var codes: Set<ErrorCode> = []
        for seed in part * 100..<part * 100 + 100 {
            var schedule = Schedule(seed: seed)
            schedule.run(steps: 150)
            askCount += schedule.askCount
            codes.formUnion(schedule.codes)
        }
        #expect(askCount > 2_000)
        #expect(codes.isSuperset(of: [.cancelled, .upstreamCut, .lagged, .noRoute]), "the schedules reach everything")
    }

    @Test("a CANCEL in every place among the parts of a reply leaves one end", arguments: [false, true])
    func everyPlace(isBlocked: Bool) throws {
        let replies: [[ReplyPart]] = [
            [.answer(.init(.miss, .body), Sample.text(3_000))],
            [
                .begin(.init(.miss, .stream)), .piece(Sample.event(0, 900)), .piece(Sample.event(1, 900)),
                .end(isCut: false),
            ],
            [.begin(.init(.miss, .stream)), .piece(Sample.event(0, 900)), .failed(FailedReply(.upstreamCut))],
            [.begin(.init(.miss, .stream)), .end(isCut: true)], [.failed(FailedReply(.deadline))],
            [.done(Done(.stored, count: 1))], [.text(Sample.text(2_000))],
        ]
        for parts in replies {
            for place in 0...parts.count {
                for window in [UInt32(1_024), 65_536] {
                    let peer = BinaryPeer(window: window)
                    let number = try #require(peer.ask(1, "m", stream: true))
                    if isBlocked { peer.connection.block() }
                    for part in parts[..<place] { peer.connection.reply(part, to: number) }
                    peer.cancel(1)
                    for part in parts[place...] { peer.connection.reply(part, to: number) }
                    peer.cancel(1)
                    peer.connection.drain()
                    #expect(peer.ends(of: 1) == 1)
                    #expect(peer.frames(of: 1).last?.isEnd == true)
                    #expect(peer.connection.hangUps == (place < parts.count ? [number] : []))
                }
            }
        }
    }
}
