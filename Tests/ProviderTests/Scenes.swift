import NIOCore
import NIOHTTP1
import Testing

@testable import provider

/// What the tests play: one prompt, asked in many ways.
enum Scene {
    static let digest = {
        var transcript = Transcript()
        transcript.add(role: "user", text: "hi")
        return transcript.digest
    }()

    static func ask(_ change: (inout TextAsk) -> Void = { _ in }) -> TextAsk {
        var ask = TextAsk(kind: .chat, model: "m", digest: digest, promptTokenCount: 2)
        change(&ask)
        return ask
    }

    static func settings(_ change: (inout Settings) -> Void) -> Settings {
        var settings = Settings()
        change(&settings)
        return settings
    }

    static func answer(_ ask: TextAsk = ask(), _ settings: Settings = settings { $0.tokens = 3 }) -> Answer {
        Answer(to: ask, attempt: 7, created: 1_700_000_000, settings: settings)
    }

    static let head = HTTPResponseHead(version: .http1_1, status: .ok)

    /// A whole stream, every wait leapt over. Stops after so many passages.
    static func tell(
        _ ask: TextAsk, _ settings: Settings, passageMax: Int = 1_000
    ) -> (text: String, then: Passage.Then, passageCount: Int) {
        var reply = StreamReply(head: head, answer: answer(ask, settings), settings: settings)
        var text = ""
        var now = TimeAmount.zero
        for count in 1...passageMax {
            let passage = reply.play(at: now)
            text += String(buffer: passage.bytes)
            guard case .resume(let due) = passage.then, count < passageMax else { return (text, passage.then, count) }
            now = max(now, due)
        }
        preconditionFailure("the last passage returns")
    }

    /// The events of a stream, as JSON; [DONE] and comments left out.
    static func events(_ text: String) throws -> [JSON] {
        try text.split(separator: "\n\n").filter { $0.hasPrefix("data: {") }.map {
            try JSONReader.read(Array($0.dropFirst(6).utf8))
        }
    }

    /// Of each event's first choice, that member of its delta.
    static func deltas(_ events: [JSON], _ name: String) -> [String] {
        events.compactMap { $0["choices"]?.array?.first?["delta"]?[name]?.string }
    }

    static func json(_ bytes: ByteBuffer) throws -> JSON {
        try JSONReader.read(Array(bytes.readableBytesView))
    }
}
