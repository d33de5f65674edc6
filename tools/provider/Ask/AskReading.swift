/// Reads the body of a call. What OpenAI would refuse with 400 is refused; members it would not know are ignored.
extension Ask {
    static func read(_ body: [UInt8], on route: Route) throws(Refusal) -> Ask {
        let json: JSON
        do {
            json = try JSONReader.read(body)
        } catch {
            throw .invalid("We could not parse the JSON body of your request. (\(error))")
        }
        guard case .object = json else { throw .invalid("The body of your request must be a JSON object.") }
        guard let model = json["model"]?.string else {
            throw .invalid("you must provide a model parameter", param: "model")
        }
        switch route {
        case .chat: return .text(try TextAsk(chat: json, model: model))
        case .completions: return .text(try TextAsk(completion: json, model: model))
        case .embeddings: return .embedding(try EmbeddingAsk(json, model: model))
        default: preconditionFailure("\(route) has no body to read")
        }
    }
}

extension TextAsk {
    fileprivate init(chat json: JSON, model: String) throws(Refusal) {
        guard let messages = json["messages"]?.array, !messages.isEmpty else {
            throw .invalid("Missing required parameter: 'messages'.", param: "messages")
        }
        var transcript = Transcript()
        for message in messages {
            transcript.add(role: message["role"]?.string ?? "", text: message.contentText)
        }
        try self.init(kind: .chat, json, model: model, transcript)
        if let last = messages.last, last["role"]?.string == "user", last.contentText.contains("tool"),
            json["tool_choice"]?.string != "none"
        {
            toolName = json["tools"]?.array?.lazy.compactMap { $0["function"]?["name"]?.string }.first
        }
        if json["logprobs"]?.bool == true {
            topLogprobCount = try json.whole("top_logprobs", in: 0...20) ?? 0
        }
    }

    fileprivate init(completion json: JSON, model: String) throws(Refusal) {
        var transcript = Transcript()
        for prompt in try json.strings("prompt") {
            transcript.add(role: "prompt", text: prompt)
        }
        try self.init(kind: .completion, json, model: model, transcript)
    }

    private init(kind: Kind, _ json: JSON, model: String, _ transcript: Transcript) throws(Refusal) {
        self.init(kind: kind, model: model, digest: transcript.digest, promptTokenCount: transcript.tokenCount)
        stream = json["stream"]?.bool ?? false
        if case .object? = json["stream_options"] {
            guard stream else {
                throw .invalid("'stream_options' is only allowed when 'stream' is enabled.", param: "stream_options")
            }
            hasStreamOptions = true
        }
        includeUsage = json["stream_options"]?["include_usage"]?.bool ?? false
        choiceCount = try json.whole("n", in: 1...128) ?? 1
        let tokenRange = 1...Int(Int32.max)
        let olderTokenMax = try json.whole("max_tokens", in: tokenRange)
        tokenMax = try json.whole("max_completion_tokens", in: tokenRange) ?? olderTokenMax
    }
}

extension EmbeddingAsk {
    fileprivate init(_ json: JSON, model: String) throws(Refusal) {
        inputs = try json.strings("input")
        let transcripts = inputs.map { input in
            var transcript = Transcript()
            transcript.add(role: "input", text: input)
            return transcript
        }
        self.model = model
        digests = transcripts.map(\.digest)
        promptTokenCount = transcripts.reduce(0) { $0 + $1.tokenCount }
        dimensions = try json.whole("dimensions", in: 1...65_536) ?? 8
        switch json["encoding_format"]?.string ?? "float" {
        case "float": asBase64 = false
        case "base64": asBase64 = true
        case let other: throw .invalid("Invalid 'encoding_format': '\(other)'.", param: "encoding_format")
        }
    }
}

private let stringMax = 2_048

extension JSON {
    /// A message's text: its content, or the texts of its content's parts, or nothing.
    fileprivate var contentText: String {
        guard let content = self["content"] else { return "" }
        return content.string ?? content.array?.compactMap { $0["text"]?.string }.joined() ?? ""
    }

    fileprivate func whole(_ name: String, in range: ClosedRange<Int>) throws(Refusal) -> Int? {
        guard let value = self[name], value != .null else { return nil }
        guard let whole = value.whole, range.contains(whole) else {
            let wanted = "a whole number from \(range.lowerBound) to \(range.upperBound)"
            throw .invalid("Invalid '\(name)': \(wanted).", param: name)
        }
        return whole
    }

    /// A string, or an array of strings that is neither empty nor longer than OpenAI takes.
    fileprivate func strings(_ name: String) throws(Refusal) -> [String] {
        guard let value = self[name] else { throw .invalid("Missing required parameter: '\(name)'.", param: name) }
        if let string = value.string { return [string] }
        let strings = (value.array ?? []).compactMap(\.string)
        guard (1...stringMax).contains(strings.count), strings.count == value.array?.count else {
            throw .invalid("Invalid '\(name)': a string, or an array of 1 to \(stringMax) strings.", param: name)
        }
        return strings
    }
}
