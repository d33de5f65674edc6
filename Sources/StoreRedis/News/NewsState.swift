import SamovarCore

/// Where a connection stands on which the server speaks unasked.
///
///     greeting ──all answered──▶ identifying ──its number──▶ tracking ──▶ subscribing ──all confirmed──▶ listening
///                                   ╰── no names are to be tracked, or it is not allowed ──▶╯
///
/// Changes of names are told by Redis's client tracking, in its broadcasting mode: for all names with some beginnings,
/// whoever reads them. In version 2 of the protocol they come as messages to a client that is named by its number, here
/// to this very connection.
///
/// A half-open connection looks like a quiet one. So it is asked for a sign of life every `pingEvery`, and is given up
/// when nothing has come for `pongMax` after that: within ten seconds of the last it has said.
struct NewsState: Sendable {
    static let pingEvery = Duration.seconds(5)
    static let pongMax = Duration.seconds(4)

    private enum Phase: Hashable, Sendable {
        case greeting
        /// Has asked for the connection's number.
        case identifying
        /// Waits for the replies to CLIENT TRACKING and to the subscription that goes with it.
        case tracking(answers: [Bool])
        case subscribing(Int)
        case listening
    }

    private let greeting: Greeting
    private let channels: [[UInt8]]
    private let tracked: [[UInt8]]
    private var isTracking = false
    private var phase = Phase.greeting
    private var answers: [RESPValue] = []
    /// When something came last.
    private var heardAt: Instant
    private var pingedAt: Instant?
    private(set) var hasServed = false

    /// - Parameter tracked: what the names begin with whose changes are to be told. None begins another.
    init(greeting: Greeting, channels: [[UInt8]], tracked: [[UInt8]] = [], at now: Instant) {
        self.greeting = greeting
        self.channels = channels
        self.tracked = tracked
        heardAt = now
    }

    /// What is said first, in one write.
    var commands: [[[UInt8]]] {
        greeting.commands + [tracked.isEmpty ? subscription : [Array("CLIENT".utf8), Array("ID".utf8)]]
    }

    private var subscription: [[UInt8]] { [Array("SUBSCRIBE".utf8)] + channels }

    /// To be told of changes, and to hear it; the former first, or it would be refused to a subscriber.
    private func trackings(_ number: Int64) -> [[[UInt8]]] {
        let head = ["CLIENT", "TRACKING", "ON", "REDIRECT", String(number), "BCAST"].map { Array($0.utf8) }
        return [
            head + tracked.flatMap { [Array("PREFIX".utf8), $0] }, [Array("SUBSCRIBE".utf8), Hearing.channel],
            subscription,
        ]
    }

    enum Action: Hashable, Sendable {
        case nothing
        case send([[[UInt8]]])
        /// From now on messages come; and changes are told, if it is allowed.
        case live(isTracking: Bool)
        case message(channel: [UInt8], RESPValue)
        case close(ConnectionLoss)
    }

    /// The server has said something. O(its size).
    mutating func heard(_ reply: RESPValue, at now: Instant) -> Action {
        heardAt = now
        pingedAt = nil
        switch phase {
        case .greeting: return greeted(reply)
        case .identifying: return identified(reply)
        case .tracking(let answers): return tracks(reply, answers)
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
            phase = tracked.isEmpty ? .subscribing(0) : .identifying
            return .nothing
        }
    }

    private mutating func identified(_ reply: RESPValue) -> Action {
        switch reply {
        case .integer(let number):
            phase = .tracking(answers: [])
            return .send(trackings(number))
        case .error:
            phase = .subscribing(0)
            return .send([subscription])
        default: return .close(.protocolError(.unreadable))
        }
    }

    private mutating func tracks(_ reply: RESPValue, _ answers: [Bool]) -> Action {
        switch (answers.count, reply) {
        case (_, .error), (0, .status): break
        case (1, .array(let parts)) where parts.first == .bulk(Array("subscribe".utf8)): break
        default: return .close(.protocolError(.unreadable))
        }
        let answers = answers + [reply.isError == false]
        guard answers.count == 2 else {
            phase = .tracking(answers: answers)
            return .nothing
        }
        isTracking = !answers.contains(false)
        phase = .subscribing(0)
        return .nothing
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
            return .live(isTracking: isTracking)
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
            guard case .bulk(let channel) = parts[1], channels.contains(channel) || channel == Hearing.channel else {
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

extension RESPValue {
    fileprivate var isError: Bool { if case .error = self { true } else { false } }
}
