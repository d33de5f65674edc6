import SamovarCore
import SamovarEngine
import SamovarWire
import TestSupport

@testable import SamovarServer

/// A client of one binary connection with everything behind it that the daemon has, but for sockets and clocks: what
/// is handed over is served, and whoever serves it sends the parts of its reply back here.
///
/// Does as the connections' own drivers do. All of it happens on one loop; only `submit` comes from elsewhere.
final class ServedPeer: ReplyPort, @unchecked Sendable {
    private struct Asked {
        let prompt: Character
        var seen: [UInt8] = []
    }

    private let front: Front
    private let lane: Int
    private let execute: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let connection: Driven<BinaryConnection<Front>>
    private var decoder = FrameDecoder(readingFrom: .server)
    private var exchanges: [UInt64: Exchange] = [:]
    /// Every exchange there ever was, to see that none is left.
    private var made: [WeakExchange] = []
    private var owed: [(exchange: Exchange, byteCount: Int)] = []
    private var handoverCount = 0
    private var hangUpCount = 0
    private var heardByteCount = 0
    private var open: [UInt64: Asked] = [:]
    /// The client has gone and reads nothing any more.
    private var isGone = false
    private(set) var endCount = 0
    private(set) var cancelledCount = 0
    private(set) var broken: String?

    private struct WeakExchange { weak var exchange: Exchange? }

    /// - Parameter execute: carries a closure to the loop on which the connection lives.
    init(_ front: Front, lane: Int, execute: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        self.front = front
        self.lane = lane
        self.execute = execute
        connection = Driven { now in BinaryConnection(service: front, settings: .init(), at: now) }
        connection.receive(BinaryPeer.greeting())
    }

    // MARK: The client's side

    var openCount: Int { open.count }
    var isIdle: Bool { open.isEmpty && exchanges.isEmpty }
    var leakCount: Int { made.count { $0.exchange != nil } }

    func ask(_ id: UInt64, _ prompt: Character, stream: Bool, noStore: Bool) {
        guard open[id] == nil, !connection.isClosed else { return }
        open[id] = Asked(prompt: prompt)
        let body = Array(#"{"model":"m","messages":[{"content":"\#(prompt)"}],"stream":\#(stream)}"#.utf8)
        var bytes: [UInt8] = []
        Ask(.chat, options: noStore ? .noStore : []).append(id: id, body: body.span.bytes, to: &bytes)
        connection.receive(bytes)
        settle()
    }

    func cancel(_ id: UInt64) {
        if open[id] != nil { cancelledCount += 1 }
        connection.receive(BinaryPeer.cancelling(id))
        settle()
    }

    func block(after byteCount: Int) { connection.block(after: byteCount) }

    func drain() {
        connection.drain()
        settle()
    }

    /// The client is gone.
    func disconnect() {
        isGone = true
        connection.close()
        carryOut()
        for exchange in exchanges.values { exchange.closed() }
        exchanges = [:]
        owed = []
        open = [:]
    }

    /// The end of a run: whether everything has been sent that ever will be.
    func leave() {
        connection.drain()
        connection.leave()
        settle()
        if !connection.isClosed, open.isEmpty, !connection.outputIsShut || connection.unsentCount > 0 {
            breaks("something is in flight when every request has ended")
        }
        disconnect()
    }

    // MARK: The driver's side

    func submit(_ part: ReplyPart, of exchange: Exchange) { execute { self.submitted(part, of: exchange) } }

    private func submitted(_ part: ReplyPart, of exchange: Exchange) {
        let number = exchange.handover.number
        guard exchanges[number] === exchange else { return exchange.closed() }
        switch part {
        case .piece(let bytes): owed.append((exchange, bytes.count))
        case .answer, .failed, .end, .done, .text: exchanges[number] = nil
        case .begin, .passed: break
        }
        connection.reply(part, to: number)
        settle()
    }

    private func settle() {
        carryOut()
        if connection.unsentCount == 0 {
            let debts = owed
            owed = []
            for debt in debts { debt.exchange.taken(debt.byteCount) }
        }
        hear()
    }

    private func carryOut() {
        while hangUpCount < connection.hangUps.count {
            exchanges[connection.hangUps[hangUpCount]]?.hangUp()
            hangUpCount += 1
        }
        while handoverCount < connection.handovers.count {
            let exchange = Exchange(
                connection.handovers[handoverCount], at: .binary, lane: lane, port: self)
            handoverCount += 1
            exchanges[exchange.handover.number] = exchange
            made.append(WeakExchange(exchange: exchange))
            front.enqueue(exchange)
        }
    }

    private func hear() {
        guard !isGone else { return }
        let sent = connection.sent
        while let event = decoder.next(sent.span.bytes, at: &heardByteCount) {
            guard case .frame(let header, let payload) = event else {
                return breaks("the server sends what no client believes: \(event)")
            }
            if header.id != 0 { hear(Frame(header: header, payload: Array(sent[payload]))) }
        }
    }

    private func hear(_ frame: Frame) {
        guard var asked = open[frame.id] else {
            return breaks("a frame for \(frame.id), which is not in flight: a second end, or one too late")
        }
        asked.seen += frame.bytes
        open[frame.id] = asked
        guard frame.isEnd else { return }
        endCount += 1
        open[frame.id] = nil
        if frame.opcode != .error { judge(asked) }
    }

    /// An answer that ended well is whole, and its own prompt's.
    private func judge(_ asked: Asked) {
        let text = String(decoding: asked.seen, as: UTF8.self)
        let content = "\"content\":\""
        for range in text.ranges(of: content) where text[range.upperBound] != asked.prompt {
            breaks("an answer to another question: \(text)")
        }
        if !text.hasSuffix("data: [DONE]\n\n"), !text.hasSuffix("\"finish_reason\":\"stop\"}]}") {
            breaks("an answer that ended well is not whole: \(text)")
        }
    }

    private func breaks(_ sentence: String) { broken = broken ?? sentence }
}
