import SamovarCore

/// Where a connection stands on which the server speaks unasked.
///
///     greeting ──all answered──▶ subscribing ──all confirmed──▶ listening ──▶ messages
///
/// A half-open connection looks like a quiet one. So it is asked for a sign of life every `pingEvery`, and is given up
/// when nothing has come for `pongMax` after that: within ten seconds of the last it has said.
struct NewsState: Sendable {
    static let pingEvery = Duration.seconds(5)
    static let pongMax = Duration.seconds(4)

    private enum Phase: Hashable, Sendable {
        case greeting
        case subscribing(Int)
        case listening
    }

    private let greeting: Greeting
    private let channels: [[UInt8]]
    private var phase = Phase.greeting
    private var answers: [RESPValue] = []
    /// When something came last.
    private var heardAt: Instant
    private var pingedAt: Instant?
    private(set) var hasServed = false

    init(greeting: Greeting, channels: [[UInt8]], at now: Instant) {
        self.greeting = greeting
        self.channels = channels
        heardAt = now
    }

    /// What is said first, in one write.
    var commands: [[[UInt8]]] { greeting.commands + [[Array("SUBSCRIBE".utf8)] + channels] }

    enum Action: Hashable, Sendable {
        case nothing
        /// From now on messages come.
        case live
        case message(channel: [UInt8], RESPValue)
        case close(ConnectionLoss)
    }

    /// The server has said something. O(its size).
    mutating func heard(_ reply: RESPValue, at now: Instant) -> Action {
        heardAt = now
        pingedAt = nil
        switch phase {
        case .greeting: return greeted(reply)
        case .subscribing(let count): return confirmed(reply, count)
        case .listening: return spoken(reply)
        }
    }

    private mutating func greeted(_ reply: RESPValue) -> Action {
        answers.append(reply)
        guard answers.count == greeting.commands.count else { return .nothing }
        switch greeting.verdict(answers) {
        case .refused(let loss): return .close(loss)
        case .live:
            phase = .subscribing(0)
            return .nothing
        }
    }

    private mutating func confirmed(_ reply: RESPValue, _ count: Int) -> Action {
        switch reply {
        case .error(let error):
            return .close(.refused("the server refused to tell news (\(error.explanation))"))
        case .array(let parts) where parts.first == .bulk(Array("subscribe".utf8)):
            guard count + 1 == channels.count else {
                phase = .subscribing(count + 1)
                return .nothing
            }
            phase = .listening
            return .live
        default: return .close(.protocolError(.unreadable))
        }
    }

    private mutating func spoken(_ reply: RESPValue) -> Action {
        // A user who may not ping gets a sign of life all the same.
        if reply == .error(ServerError(code: "NOPERM")) { return .nothing }
        guard case .array(let parts) = reply, case .bulk(let kind)? = parts.first else {
            return .close(.protocolError(.unreadable))
        }
        hasServed = true
        switch (kind, parts.count) {
        case (Self.pong, 2): return .nothing
        case (Self.message, 3):
            guard case .bulk(let channel) = parts[1], channels.contains(channel) else {
                return .close(.protocolError(.unasked))
            }
            return .message(channel: channel, parts[2])
        default: return .close(.protocolError(.unreadable))
        }
    }

    private static let pong = Array("pong".utf8)
    private static let message = Array("message".utf8)

    enum LookAction: Hashable, Sendable {
        case wait(until: Instant)
        case ping
        case close
    }

    /// Is it still there? After `ping`, look again.
    mutating func look(at now: Instant) -> LookAction {
        if let pingedAt {
            let latest = pingedAt.advanced(by: Self.pongMax)
            return now < latest ? .wait(until: latest) : .close
        }
        let due = heardAt.advanced(by: Self.pingEvery)
        guard now >= due else { return .wait(until: due) }
        // In answer to what is on its way anyway, where it does not listen yet.
        pingedAt = now
        return phase == .listening ? .ping : .wait(until: now.advanced(by: Self.pongMax))
    }
}
