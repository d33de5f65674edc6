import NIOCore
import NIOHTTP1

/// A reply told token by token, as server-sent events.
///
///     silence ──▶ telling ── last step told ──▶ over
///                    ├─ `cut_after_tokens` ───▶ over: the connection is closed
///                    └─ `error_after_tokens` ─▶ over: an error event, and no [DONE]
struct StreamReply: Sendable {
    /// A passage ends here though more is due, so that an endless stream cannot hold up its event loop.
    static let passageSizeMax = 64 << 10

    private let head: HTTPResponseHead
    private let answer: Answer
    private let settings: Settings
    private var events: EventWriter
    private var pace: Pace
    private var headIsSent = false
    private var stepsTold = 0

    init(head: HTTPResponseHead, answer: Answer, settings: Settings) {
        self.head = head
        self.answer = answer
        self.settings = settings
        events = EventWriter(answer, settings: settings)
        pace = Pace(settings)
    }

    mutating func play(at elapsed: TimeAmount) -> Passage {
        for _ in 0..<pace.takeKeepAlives(at: elapsed) { events.keepAlive() }
        let then = tell(at: elapsed)
        var passage = Passage(bytes: events.takeBytes(), then: then)
        if !headIsSent, elapsed >= pace.due(step: 0) || pace.silence > .zero {
            passage.head = head
            headIsSent = true
        }
        return passage
    }

    /// Tells the steps that are due, and says what is next.
    private mutating func tell(at elapsed: TimeAmount) -> Passage.Then {
        while true {
            let due = pace.due(step: stepsTold)
            guard due <= elapsed else { return .resume(at: min(due, pace.nextKeepAlive ?? due)) }
            if stepsTold == 0 {
                for choice in 0..<answer.ask.choiceCount { events.role(choice: choice) }
            }
            if stepsTold == settings.cutAfterTokens { return .cut }
            if stepsTold == settings.errorAfterTokens {
                events.error(.ordered(status: settings.errorStatus, retryAfter: nil))
                return .end
            }
            guard stepsTold < answer.stepCount || settings.endless else { break }
            guard events.byteCount < Self.passageSizeMax else { return .resume(at: due) }
            for choice in 0..<answer.ask.choiceCount { events.step(stepsTold, choice: choice) }
            stepsTold += 1
        }
        for choice in 0..<answer.ask.choiceCount { events.finish(choice: choice) }
        if answer.ask.includeUsage { events.usage() }
        if !settings.noDone { events.done() }
        return .end
    }
}
