import SamovarCore

/// What tests of leases are made of.
enum Scene {
    /// So many milliseconds after the beginning.
    static func at(_ milliseconds: Int) -> Instant { Instant.zero.advanced(by: .milliseconds(milliseconds)) }

    static func chunk(_ text: String) -> Chunk { Chunk(bytes: Array(text.utf8)) }

    static let stream = PublishedForm(.stream, usageAsked: false)
    static let refusal = refused(400)
    static let overload = refused(503)

    private static func refused(_ status: Int) -> Failure {
        .refused(Failure.Refusal(status: status, contentType: nil, body: [], retryAfter: nil))
    }

    /// Another pod's lease.
    static func sight(_ number: UInt64 = 7, heartbeat: UInt64 = 0) -> LeaseSight {
        LeaseSight(attempt: AttemptID(high: number, low: 0), heartbeat: heartbeat, pod: PodID(number))
    }

    /// An answer that somebody has stored.
    static func stored() -> StoredAnswer {
        let recording = Recording(form: .body, usageAsked: false, chunks: [chunk("{}")])
        let answer = Answer(
            recording: recording, model: "m", createdAt: WallTime(milliseconds: 0), generationTime: .zero, usage: nil,
            ttl: .seconds(60), staleTTL: .zero)
        return StoredAnswer(answer, bornAt: .zero)
    }
}

extension LeaseMachine {
    /// Of a flight whose own attempt is number 1.
    init(needed: Duration? = .zero, mayFollow: Bool = true, finishWhenLeft: Bool = false, deadline: Int = 60_000) {
        let wish = Wish(
            needed: needed, mayFollow: mayFollow, finishWhenLeft: finishWhenLeft, deadline: Scene.at(deadline))
        self.init(wish, attempt: AttemptID(high: 1, low: 0))
    }

    /// One that leads, and whose upstream is being called from `calledAt` on.
    static func calling(
        finishWhenLeft: Bool = false, acquiredAt: Int = 0, calledAt: Int = 10
    ) -> LeaseMachine {
        var machine = LeaseMachine(finishWhenLeft: finishWhenLeft)
        _ = machine.begin(at: Scene.at(acquiredAt))
        _ = machine.replied(.leads(Scene.sight(1), nil), at: Scene.at(calledAt))
        _ = machine.calls(progressUntil: Scene.at(calledAt + 5_000), at: Scene.at(calledAt))
        return machine
    }

    /// One that follows `Scene.sight(7)` since 10 ms.
    static func following(needed: Duration? = .zero) -> LeaseMachine {
        var machine = LeaseMachine(needed: needed)
        _ = machine.begin(at: Scene.at(0))
        _ = machine.replied(.follows(Scene.sight(), nil), at: Scene.at(10))
        return machine
    }

    mutating func receives(_ text: String, at milliseconds: Int) -> [String] {
        let now = Scene.at(milliseconds)
        return received(Scene.chunk(text), Scene.stream, progressUntil: now.advanced(by: .seconds(3)), at: now).words
    }

    mutating func hears(_ entries: PublishedEntry..., at milliseconds: Int) -> [String] {
        heard(.entries(entries), at: Scene.at(milliseconds)).words
    }
}

extension PublishedEntry {
    /// The entry, as a word: `2:a,b` are chunks from the second on.
    var word: String {
        switch self {
        case .chunks(let first, _, let chunks):
            "\(first):" + chunks.map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: ",")
        case .end(let count, _, _, let isStored): "end \(count)\(isStored ? " stored" : "")"
        case .failed(let failure, let isRetryable): "\(failure.word)\(isRetryable ? ", try again" : "")"
        }
    }
}

extension Failure {
    var word: String {
        switch self {
        case .refused(let refusal): "refused \(refusal.status)"
        case .limited(let limit, _): "limited \(limit)"
        case .timedOut(let wait): "timed out \(wait.rawValue)"
        default: "\(self)"
        }
    }
}

extension [LeaseMachine.Action] {
    /// The actions, as words.
    var words: [String] {
        map { action in
            switch action {
            case .acquire(let needed): needed == nil ? "acquire whatever is stored" : "acquire"
            case .steal(let seen, _): "steal \(seen.attempt.high)@\(seen.heartbeat)"
            case .renew: "renew"
            case .publish(let entries): "publish " + entries.map(\.word).joined(separator: " | ")
            case .commit(let stores, let end): (stores ? "commit" : "release") + (end.map { ", \($0.word)" } ?? "")
            case .abort(let entry): "abort" + (entry.map { ", \($0.word)" } ?? "")
            case .release: "give back"
            case .set: "set"
            case .announce: "announce"
            case .withdraw: "withdraw"
            case .follow(let sight): "follow \(sight.attempt.high)"
            case .keepFollowing: "keep following"
            case .unfollow: "unfollow"
            case .call(.leads): "call"
            case .call(.alone(let reason)): "call alone: \(reason.rawValue)"
            case .cancelUpstream: "cancel"
            case .keep: "keep"
            case .hit: "hit"
            case .begin: "begin"
            case .deliver(let chunks):
                "deliver " + chunks.map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: ",")
            case .complete(_, let isStored): "complete\(isStored ? ", stored" : "")"
            case .fail(let failure): "fail: \(failure.word)"
            }
        }
    }
}

extension LeaseMachine.CallAction {
    var words: [String] {
        switch self {
        case .go: ["go"]
        case .notYet(let actions): actions.words
        }
    }
}
