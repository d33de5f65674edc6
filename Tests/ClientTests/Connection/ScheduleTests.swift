import SamovarCore
import SamovarWire
import TestSupport
import Testing

@testable import SamovarClient

/// A server that keeps the rules and does everything else at random.
private struct RandomServer {
    struct Open {
        let isStats: Bool
        let isDone: Bool
        var answer: [UInt8]
        var credit: Int
        var hasHead = false
    }

    static let window = 1_024
    var open: [UInt64: Open] = [:]
    var inflightPeak = 0

    /// What the answer to a request is.
    static func answer(to id: UInt64) -> [UInt8] {
        (0..<Int(id * 397 % 3_000)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(id)) }
    }

    mutating func hear(_ frames: [Stage.Heard]) {
        for frame in frames {
            switch frame.opcode {
            case .ask, .askDigest:
                open[frame.id] = Open(
                    isStats: false, isDone: false, answer: Self.answer(to: frame.id), credit: Self.window)
            case .stats:
                open[frame.id] = Open(
                    isStats: true, isDone: false, answer: Self.answer(to: frame.id), credit: Self.window)
            case .invalidate: open[frame.id] = Open(isStats: false, isDone: true, answer: [], credit: 0)
            case .window:
                let bytes = frame.payload
                open[frame.id]?.credit += Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2]) << 16
            default: break
            }
        }
        inflightPeak = max(inflightPeak, open.count)
    }

    /// One frame for one of the open requests; nil where it has no credit.
    mutating func speak(_ noise: inout SeededGenerator) -> [UInt8]? {
        guard let id = open.keys.sorted().randomElement(using: &noise), var request = open[id] else { return nil }
        var bytes: [UInt8] = []
        if Int.random(in: 0..<12, using: &noise) == 0 {
            ErrorFrame(.upstreamCut, message: "cut").append(id: id, to: &bytes)
            open[id] = nil
            return bytes
        }
        if request.isDone {
            Done(.invalidated, count: id).append(id: id, to: &bytes)
            open[id] = nil
            return bytes
        }
        let count = min(request.answer.count, min(request.credit, Int.random(in: 0...700, using: &noise)))
        let piece = Array(request.answer.prefix(count))
        request.answer.removeFirst(count)
        request.credit -= count
        let ends = request.answer.isEmpty
        guard ends || count > 0 || !request.hasHead else { return nil }
        if request.hasHead || request.isStats {
            guard ends || count > 0 else { return nil }
            Frames.appendData(id: id, flags: ends ? .end : [], bytes: piece.span.bytes, to: &bytes)
        } else {
            let total = Bool.random(using: &noise) ? UInt32(Self.answer(to: id).count) : nil
            AnswerHead(.miss, form: .stream, total: total).append(
                id: id, flags: ends ? .end : [], bytes: piece.span.bytes, to: &bytes)
            request.hasHead = true
        }
        open[id] = ends ? nil : request
        return bytes
    }
}

@Suite("A client's connection, whatever happens on it")
struct ScheduleTests {
    @Test("gives each request exactly one end, and no byte that is not its own", arguments: 0..<150)
    func oneEnd(seed: Int) throws {
        var noise = SeededGenerator(seed: UInt64(seed))
        var settings = ClientConnection.Settings(
            hello: Hello(features: [.digest, .events], window: UInt32(RandomServer.window)))
        settings.inflightMax = 5
        var stage = try Stage.greeted(settings)
        var server = RandomServer()
        var sent: [UInt64: Question.Reading] = [:]
        var (unheard, untold) = (stage.heard.count, 0)
        var onTheWay: [UInt8] = []
        var unread: [UInt64: Int] = [:]

        for _ in 0..<400 where !stage.connection.isOver {
            switch Int.random(in: 0..<24, using: &noise) {
            case 0..<6 where stage.connection.hasPlace:
                let question = Self.question(&noise, at: stage.now)
                sent[try stage.send(question)] = question.reading
            case 6..<14: onTheWay += server.speak(&noise) ?? []
            case 14..<18:
                let count = Int.random(in: 0...onTheWay.count, using: &noise)
                stage.receive(onTheWay.prefix(count))
                onTheWay.removeFirst(count)
            case 18..<20:
                for (id, count) in unread.sorted(by: { $0.key < $1.key }) { stage.consumed(id, count) }
                unread = [:]
            case 20: if let id = sent.keys.sorted().randomElement(using: &noise) { stage.cancel(id) }
            case 21: stage.pass(.milliseconds(Int.random(in: 1...400, using: &noise)))
            case 22 where Int.random(in: 0..<40, using: &noise) == 0:
                GoAway(reason: GoAway.draining, graceMilliseconds: 1_000).append(to: &onTheWay)
            case 23 where Int.random(in: 0..<60, using: &noise) == 0: stage.end()
            default: break
            }
            for item in stage.news[untold...] {
                if case .piece(let bytes, _) = item.event { unread[item.id, default: 0] += bytes.count }
            }
            let heard = Array(stage.heard[unheard...])
            (unheard, untold) = (stage.heard.count, stage.news.count)
            server.hear(heard)
            for frame in heard where frame.opcode == .cancel && server.open[frame.id] != nil {
                ErrorFrame(.cancelled, message: "gone").append(id: frame.id, to: &onTheWay)
                server.open[frame.id] = nil
            }
        }
        let failure = stage.connection.failure
        stage.end()

        #expect(failure?.code == nil || failure?.code == .connectionLost, "\(String(describing: failure))")
        #expect(server.inflightPeak <= 5)
        #expect(sent.count > 5 || stage.connection.isOver)
        for (id, reading) in sent.sorted(by: { $0.key < $1.key }) {
            let news = stage.news(of: id)
            let isOne = news.filter(\.isEnd).count == 1 && news.last?.isEnd == true
            #expect(isOne, "request \(id) has \(news.filter(\.isEnd).count) ends")
            #expect(reading == .pieces || news.count == 1)
            let complaint = Self.complaint(news, RandomServer.answer(to: id))
            #expect(complaint == nil, "request \(id)")
        }
    }

    /// What is wrong with the bytes; nil where nothing is.
    private static func complaint(_ news: [ReplyEvent], _ answer: [UInt8]) -> String? {
        let pieces = received(news)
        guard answer.starts(with: pieces) else { return "foreign bytes" }
        switch news.last {
        case .ended?: return pieces == answer ? nil : "not whole"
        case .answer(let gathered)?: return gathered.bytes == answer ? nil : "not its answer"
        case .text(let text)?: return text == answer ? nil : "not its text"
        default: return nil
        }
    }

    private static func received(_ news: [ReplyEvent]) -> [UInt8] {
        var received: [UInt8] = []
        for case .piece(let bytes, _) in news { received += bytes }
        return received
    }

    private static func question(_ noise: inout SeededGenerator, at now: Instant) -> Question {
        let deadline =
            Bool.random(using: &noise)
            ? Instant.never : now.advanced(by: .milliseconds(Int.random(in: 1...3_000, using: &noise)))
        switch Int.random(in: 0..<8, using: &noise) {
        case 0: return .stats
        case 1: return .invalidate
        case 2: return .ask(deadline: deadline, digest: SentBodyDigest(bytes: Array(repeating: 3, count: 32)))
        case 3..<6: return .ask(reading: .pieces, deadline: deadline)
        default: return .ask(deadline: deadline)
        }
    }
}
