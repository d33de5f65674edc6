/// Recomputes the provider's answer from the question, and says what is wrong with a reply that is not it: whole, its
/// own, from one attempt.
struct Verifier {
    /// Of every answer, where the provider was told a number.
    var tokenCount: Int?

    /// The first 12 hex digits of SHA-256 over role + "\n" + text + "\n" of every message.
    static func digest(_ messages: [(role: String, text: String)]) -> String {
        let hash = SHA256.hash(messages.flatMap { Array("\($0.role)\n\($0.text)\n".utf8) })
        return hash.prefix(6).map { byte in
            let hex = String(byte, radix: 16)
            return hex.count == 1 ? "0" + hex : hex
        }.joined()
    }

    /// What the answer's text must be.
    func text(for chat: Chat, choice: Int = 0) -> String {
        let digest = Self.digest(chat.messages)
        let firstByte = Int(digest.prefix(2), radix: 16) ?? 0
        let count = tokenCount ?? 20 + firstByte % 30
        let label = choice == 0 ? digest : "\(digest)-\(choice)"
        return (0..<(count - 1)).map { "\(label).\($0) " }.joined() + "\(label).end"
    }

    /// Nil: the reply is the answer to this question, whole and nothing else.
    func complaint(_ reply: HTTPReply, to chat: Chat, choices: Int = 1) -> String? {
        guard reply.status == 200 else { return "status \(reply.status): \(reply.text.prefix(300))" }
        guard reply.isWhole else { return "cut after \(reply.body.count) bytes" }
        return reply.isStream ? streamed(reply, chat, choices) : whole(reply, chat, choices)
    }

    private func whole(_ reply: HTTPReply, _ chat: Chat, _ choices: Int) -> String? {
        guard !chat.stream else { return "a body where a stream was asked for" }
        let all = reply.json["choices"].elements
        guard all.count == choices else { return "\(all.count) choices: \(reply.text.prefix(300))" }
        for (index, choice) in all.enumerated() {
            let said = choice["message"]["content"].string ?? ""
            if let complaint = differs(said, text(for: chat, choice: index)) { return complaint }
            guard choice["finish_reason"].string == "stop" else { return "finish_reason is not stop" }
        }
        return reply.json["usage"]["total_tokens"].int == nil ? "a body without usage" : nil
    }

    private func streamed(_ reply: HTTPReply, _ chat: Chat, _ choices: Int) -> String? {
        guard chat.stream else { return "a stream where a body was asked for" }
        let events = reply.events
        guard events.last?.isDone == true else { return "no [DONE]; last: \(events.last?.data ?? "nothing")" }
        var said: [Int: String] = [:]
        var finished: Set<Int> = []
        // The provider gives each attempt an id of its own.
        guard Set(events.compactMap { $0.json["id"].string }).count <= 1 else { return "pieces of several attempts" }
        for event in events.dropLast() {
            guard !event.json["error"].exists else { return "an error event: \(event.data)" }
            for choice in event.json["choices"].elements {
                let index = choice["index"].int ?? -1
                said[index, default: ""] += choice["delta"]["content"].string ?? ""
                if choice["finish_reason"].string == "stop" { finished.insert(index) }
            }
        }
        for index in 0..<choices {
            if let complaint = differs(said[index] ?? "", text(for: chat, choice: index)) { return complaint }
        }
        guard finished == Set(0..<choices) else { return "not finished by stop" }
        let showsUsage = events.contains { $0.json["usage"].exists }
        return showsUsage == chat.includeUsage ? nil : "usage shown: \(showsUsage), asked for: \(chat.includeUsage)"
    }

    private func differs(_ said: String, _ wanted: String) -> String? {
        said == wanted ? nil : "said \(said.prefix(200)), not \(wanted.prefix(200))"
    }
}
