import SamovarCore
import SamovarEngine

/// An upstream whose attempts wait to be told what to do.
final class HeldUpstream: Upstream {
    enum Act: Sendable {
        case token
        case finish
        case fail
        /// Nobody is left to read it.
        case gone
    }

    /// One attempt, from outside.
    final class Line: Sendable {
        fileprivate let acts: AsyncStream<Act>
        private let continuation: AsyncStream<Act>.Continuation
        let request: Request

        fileprivate init(_ request: Request) {
            self.request = request
            (acts, continuation) = AsyncStream.makeStream()
        }

        func say(_ act: Act) { continuation.yield(act) }
    }

    private struct State {
        var lines: [Line] = []
        var running = 0
        var startCount = 0
    }

    private let state = Lock(State())

    /// The attempts that have begun, whether they have ended or not.
    var lines: [Line] { state.withLock { $0.lines } }
    /// How many have not ended.
    var runningCount: Int { state.withLock { $0.running } }

    func attempt(
        _ attempt: Attempt, for caller: Caller, receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let line = Line(attempt.request)
        let number = state.withLock { state in
            state.lines.append(line)
            state.running += 1
            state.startCount += 1
            return state.startCount
        }
        defer {
            state.withLock { state in
                state.running -= 1
                state.lines.removeAll { $0 === line }
            }
        }
        caller.whenGone { line.say(.gone) }
        let question = attempt.request.body.map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
        var tokenCount = 0
        if attempt.form == .stream { try receive(.began(.stream)) }
        for await act in line.acts {
            switch act {
            case .token where attempt.form == .stream:
                tokenCount += 1
                try receive(Self.token(Self.prompt(in: question), number, tokenCount))
            case .token: break
            case .finish: return try Self.finish(attempt.form, Self.prompt(in: question), number, receive)
            case .fail: throw .cut
            case .gone: throw .cut
            }
        }
    }

    /// What stands between `p` and its end in the question, which every byte of the answer names.
    static func prompt(in question: String) -> Character {
        question.firstRange(of: "\"content\":\"").map { question[$0.upperBound] } ?? "?"
    }

    private static func token(_ prompt: Character, _ number: Int, _ index: Int) -> AttemptEvent {
        var facts = ChunkFacts()
        facts.hasToken = true
        facts.choices = [ChunkFacts.Choice(index: 0, finishReason: nil)]
        let data =
            #"data: {"choices":[{"index":0,"delta":{"content":"\#(prompt)\#(number).\#(index)"}}]}"# + "\n\n"
        return .chunk(Chunk(bytes: Array(data.utf8)), facts)
    }

    private static func finish(
        _ form: Form, _ prompt: Character, _ number: Int, _ receive: (AttemptEvent) throws(Failure) -> Void
    ) throws(Failure) {
        var facts = ChunkFacts()
        if form == .stream {
            facts.choices = [ChunkFacts.Choice(index: 0, finishReason: "stop")]
            let last = #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
            try receive(.chunk(Chunk(bytes: Array(last.utf8)), facts))
            facts.isDone = true
            return try receive(.chunk(Chunk(bytes: Array("data: [DONE]\n\n".utf8)), facts))
        }
        facts.hasToken = true
        facts.choices = [ChunkFacts.Choice(index: 0, finishReason: "stop")]
        let text = #"{"choices":[{"index":0,"message":{"content":"\#(prompt)\#(number)"},"finish_reason":"stop"}]}"#
        try receive(.began(.body))
        try receive(.chunk(Chunk(bytes: Array(text.utf8)), facts))
    }
}
