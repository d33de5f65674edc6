import SamovarCore

@testable import SamovarWire

/// A frame that was read: its fields as the vectors spell them, and the same frame written again.
struct ReadFrame {
    private(set) var values: [String: String] = [:]
    private(set) var rewritten: [UInt8] = []

    private static let limits = BinaryLimits()
    private static let agreed: Features = [.digest, .events, .admin]

    init(_ header: FrameHeader, _ payload: RawSpan, from sender: FrameDecoder.Sender) throws(ProtocolError) {
        guard let opcode = Opcode(rawValue: header.opcode) else { preconditionFailure("the decoder knows its opcodes") }
        values["from"] = Self.quoted(sender == .client ? "client" : "server")
        values["version"] = "\(header.version)"
        values["opcode"] = Self.quoted(Self.upper("\(opcode)"))
        var flags: [String] = []
        if header.flags.contains(.end) { flags.append("END") }
        if header.flags.contains(.eventEnd) { flags.append("EVENT_END") }
        values["flags"] = Self.list(flags)
        values["id"] = "\(header.id)"
        try readPayload(header, opcode, payload)
    }

    private mutating func readPayload(
        _ header: FrameHeader, _ opcode: Opcode, _ payload: RawSpan
    ) throws(ProtocolError) {
        switch opcode {
        case .hello: try readHello(payload)
        case .helloReply: try readHelloReply(payload)
        case .ping, .pong:
            let cookie = PingCookie(payload)
            values["cookie"] = Self.quoted(payload.array(0..<8).hexadecimal)
            Frames.append(opcode, cookie: cookie, to: &rewritten)
        case .ask, .warm, .askDigest: try readAsk(header, opcode, payload)
        case .cancel: Frames.appendCancel(id: header.id, to: &rewritten)
        case .stats: Frames.appendStats(id: header.id, to: &rewritten)
        case .bodyNeeded: Frames.appendBodyNeeded(id: header.id, to: &rewritten)
        case .window:
            let credit = try Frames.readCredit(payload)
            values["credit"] = "\(credit)"
            Frames.appendWindow(id: header.id, credit: credit, to: &rewritten)
        case .put: try readPut(header, payload)
        case .invalidate: try readInvalidate(header, payload)
        case .answer: try readAnswer(header, payload)
        case .data:
            values["bytes"] = Self.quoted(payload.array(0..<payload.byteCount))
            Frames.appendData(id: header.id, flags: header.flags, bytes: payload, to: &rewritten)
        case .done:
            let done = try Done(payload, limits: Self.limits)
            values["outcome"] = Self.quoted(Self.upper("\(done.outcome)"))
            values["count"] = "\(done.count)"
            values["metadata"] = Self.object(done.metadata)
            done.append(id: header.id, to: &rewritten)
        case .error: try readError(header, payload)
        case .goAway:
            let goAway = try GoAway(payload)
            values["reason"] = "\(goAway.reason)"
            values["grace_ms"] = "\(goAway.graceMilliseconds)"
            goAway.append(to: &rewritten)
        }
    }

    private mutating func readHello(_ payload: RawSpan) throws(ProtocolError) {
        let hello = try Hello(payload, limits: Self.limits)
        _ = try hello.agreedVersion()
        values["version_min"] = "\(hello.versions.lowerBound)"
        values["version_max"] = "\(hello.versions.upperBound)"
        values["features"] = Self.list(hello.features)
        values["window"] = "\(hello.window)"
        values["metadata"] = Self.object(hello.metadata)
        hello.append(to: &rewritten)
    }

    private mutating func readHelloReply(_ payload: RawSpan) throws(ProtocolError) {
        let reply = try HelloReply(payload, limits: Self.limits)
        values["chosen_version"] = "\(reply.version)"
        values["features"] = Self.list(reply.features)
        values["frame_size_max"] = "\(reply.frameSizeMax)"
        values["inflight_max"] = "\(reply.inflightMax)"
        values["window"] = "\(reply.window)"
        values["chunk_size"] = "\(reply.chunkSize)"
        values["idle_timeout_ms"] = "\(reply.idleTimeoutMilliseconds)"
        values["metadata_size_max"] = "\(reply.metadataSizeMax)"
        values["metadata"] = Self.object(reply.metadata)
        reply.append(to: &rewritten)
    }

    private mutating func readAsk(
        _ header: FrameHeader, _ opcode: Opcode, _ payload: RawSpan
    ) throws(ProtocolError) {
        let (ask, rest) =
            switch opcode {
            case .ask: try Ask.read(payload, features: Self.agreed, limits: Self.limits)
            case .warm: try Ask.readWarm(payload, limits: Self.limits)
            default: try Ask.readDigest(payload, features: Self.agreed, limits: Self.limits)
            }
        let options: [(AskOptions, String)] = [
            (.noCache, "NO_CACHE"), (.noStore, "NO_STORE"), (.onlyIfCached, "ONLY_IF_CACHED"),
            (.hasMaxAge, "HAS_MAX_AGE"), (.hasMaxStale, "HAS_MAX_STALE"), (.showTenant, "SHOW_TENANT"),
            (.events, "EVENTS"),
        ]
        values["kind"] = Self.quoted(ask.kind.rawValue)
        values["options"] = Self.list(options.filter { ask.options.contains($0.0) }.map(\.1))
        values["deadline_ms"] = "\(ask.deadlineMilliseconds)"
        values["max_age"] = "\(ask.maxAge)"
        values["max_stale"] = "\(ask.maxStale)"
        values["metadata"] = Self.object(ask.metadata)
        let bytes = payload.array(rest)
        if opcode == .askDigest {
            values["digest"] = Self.quoted(bytes.hexadecimal)
        } else {
            values["body"] = Self.quoted(bytes)
        }
        ask.append(opcode, id: header.id, body: bytes.span.bytes, to: &rewritten)
    }

    private mutating func readPut(_ header: FrameHeader, _ payload: RawSpan) throws(ProtocolError) {
        let (put, body, answer) = try Put.read(payload, limits: Self.limits)
        values["kind"] = Self.quoted(put.kind.rawValue)
        values["form"] = Self.quoted(put.form.rawValue)
        values["ttl"] = "\(put.ttl)"
        values["metadata"] = Self.object(put.metadata)
        values["body"] = Self.quoted(payload.array(body))
        values["answer"] = Self.quoted(payload.array(answer))
        put.append(
            id: header.id, body: payload.extracting(body), answer: payload.extracting(answer), to: &rewritten)
    }

    private mutating func readInvalidate(_ header: FrameHeader, _ payload: RawSpan) throws(ProtocolError) {
        let (invalidate, what) = try Invalidate.read(payload, limits: Self.limits)
        values["kind"] = "null"
        values["metadata"] = "{}"
        switch invalidate.target {
        case .body(let kind, let metadata):
            values["target"] = Self.quoted("body")
            values["kind"] = Self.quoted(kind.rawValue)
            values["metadata"] = Self.object(metadata)
        case .namespace: values["target"] = Self.quoted("namespace")
        case .model: values["target"] = Self.quoted("model")
        case .tenant: values["target"] = Self.quoted("tenant")
        }
        values["what"] = Self.quoted(payload.array(what))
        invalidate.append(id: header.id, what: payload.extracting(what), to: &rewritten)
    }

    private mutating func readAnswer(_ header: FrameHeader, _ payload: RawSpan) throws(ProtocolError) {
        let (head, metadata, bytes) = try AnswerHead.read(payload, limits: Self.limits)
        values["result"] = Self.quoted(head.result.rawValue.uppercased())
        values["form"] = Self.quoted(head.form.rawValue)
        values["age"] = head.age.map { "\($0)" } ?? "null"
        values["remaining"] = head.remaining.map { "\($0)" } ?? "null"
        values["total"] = head.total.map { "\($0)" } ?? "null"
        values["stored"] = head.stored.map { "\($0)" } ?? "null"
        values["metadata"] = Self.object(metadata)
        values["bytes"] = Self.quoted(payload.array(bytes))
        head.append(
            id: header.id, flags: header.flags, metadata: metadata, bytes: payload.extracting(bytes), to: &rewritten)
    }

    private mutating func readError(_ header: FrameHeader, _ payload: RawSpan) throws(ProtocolError) {
        let error = try ErrorFrame(payload)
        values["code"] = "\(error.rawCode)"
        values["name"] = error.code.map { Self.quoted($0.name.uppercased()) } ?? "null"
        values["status"] = "\(error.status)"
        values["retryable"] = "\(error.isRetryable)"
        values["upstream_status"] = "\(error.upstreamStatus)"
        values["retry_after_ms"] = error.retryAfterMilliseconds.map { "\($0)" } ?? "null"
        values["body"] = Self.quoted(error.body)
        error.append(id: header.id, to: &rewritten)
    }

    // MARK: Spelling

    private static func quoted(_ bytes: [UInt8]) -> String { quoted(String(decoding: bytes, as: UTF8.self)) }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\"", "\\": quoted += "\\\(character)"
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(character)
            }
        }
        return quoted + "\""
    }

    private static func list(_ words: [String]) -> String {
        "[" + words.map { quoted($0) }.joined(separator: ", ") + "]"
    }

    private static func list(_ features: Features) -> String {
        let names: [(Features, String)] = [(.digest, "DIGEST"), (.events, "EVENTS"), (.admin, "ADMIN")]
        return list(names.filter { features.contains($0.0) }.map(\.1))
    }

    private static func object(_ metadata: Metadata) -> String {
        let members = metadata.fields.map { field in
            let value = metadata[field] ?? []
            return quoted(name(field)) + ": " + (field == .bodyDigest ? quoted(value.hexadecimal) : quoted(value))
        }
        return "{" + members.joined(separator: ", ") + "}"
    }

    private static func name(_ field: Metadata.Field) -> String {
        if let index = Metadata.Field.headers.firstIndex(of: field) { return KeyedHeaders.names[index] }
        return upper("\(field)")
    }

    /// `goAway` is GOAWAY in the document, all others are words with underscores.
    static func upper(_ name: String) -> String {
        if name == "goAway" { return "GOAWAY" }
        return name.reduce(into: "") { $0 += $1.isUppercase ? "_\($1)" : $1.uppercased() }
    }
}
