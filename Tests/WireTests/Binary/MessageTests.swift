import SamovarCore
import Testing

@testable import SamovarWire

@Suite("HELLO")
struct HelloTests {
    private func reply(to hello: Hello, isAdmin: Bool = false) throws(ProtocolError) -> HelloReply {
        try HelloReply(
            to: hello, offered: [.digest, .events], isAdmin: isAdmin, limits: BinaryLimits(), idleTimeout: .seconds(60))
    }

    @Test("is answered with the highest version that both speak, or refused")
    func versions() throws {
        let later = try reply(to: Hello(versions: 1...255))
        #expect(later.version == 1)
        #expect(throws: ProtocolError(.noCommonVersion, .noCommonVersion)) { try reply(to: Hello(versions: 2...3)) }
    }

    @Test("turns on what both want, and ADMIN for the right token alone")
    func features() throws {
        let all = Features(rawValue: .max)
        let cases: [(Features, Bool, Features)] = [
            ([], false, []), (all, false, [.digest, .events]), ([.digest, .admin], false, .digest),
            (.events, true, [.events, .admin]),
        ]
        for (wanted, isAdmin, expected) in cases {
            let reply = try reply(to: Hello(features: wanted), isAdmin: isAdmin)
            #expect(reply.features == expected)
        }
    }

    @Test("never gets more window than it asked for, nor more than there is")
    func window() throws {
        for (wanted, expected) in [(0, 256 << 10), (1_024, 1_024), (UInt32.max, 256 << 10)] {
            let reply = try reply(to: Hello(window: wanted))
            #expect(reply.window == expected)
        }
    }
}

@Suite("Metadata")
struct MetadataTests {
    @Test("skip fields that say they may be skipped")
    func skippable() throws {
        let section: [UInt8] = [16, 1, 0, 0x61, 128, 2, 0, 1, 2, 255, 0, 0]
        let read = try Metadata(section.span.bytes, allowed: Metadata.Field.ofAsk, limits: BinaryLimits())
        #expect(read.fields == [.openAIOrganization])
        #expect(read.keyedHeaders["openai-organization"] == "a")
    }

    @Test("over their limit are too large, whatever is in them")
    func limit() {
        let section = [UInt8](repeating: 0xFF, count: BinaryLimits().metadataSizeMax + 1)
        #expect(throws: ProtocolError(.metadataTooLarge, .metadataOverMax)) {
            try Metadata(section.span.bytes, allowed: Metadata.Field.ofAsk, limits: BinaryLimits())
        }
    }

    @Test("carry the headers that are keyed, an empty one too")
    func headers() {
        var headers = KeyedHeaders()
        headers["anthropic-beta"] = ""
        headers["openai-project"] = "p"
        let metadata = Metadata(headers)
        #expect(metadata.keyedHeaders == headers)
        #expect(metadata.fields == [.openAIProject, .anthropicBeta])
    }

    @Test("stand in order however they are set, and go away again")
    func order() {
        var metadata = Metadata()
        metadata.set(.software, "s")
        metadata.set(.authorization, "a")
        metadata.set(.adminToken, "t")
        metadata.set(.authorization, "b")
        metadata[.adminToken] = nil
        metadata[.accessToken] = nil
        #expect(metadata.fields == [.authorization, .software])
        #expect(metadata.text(.authorization) == "b")
    }

    @Test("never show what they carry")
    func secrets() {
        var metadata = Metadata()
        metadata.set(.authorization, "Bearer sk-canary")
        metadata.set(.adminToken, "canary")
        let hello = Hello(metadata: metadata)
        var dumped = ""
        dump(hello, to: &dumped)
        for text in ["\(metadata)", "\(hello)", String(reflecting: hello), dumped] {
            #expect(!text.contains("canary"), "\(text)")
        }
        #expect(metadata.secret(.adminToken)?.revealed == "canary")
    }
}

@Suite("ASK")
struct AskTests {
    private func payload(_ ask: Ask, body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        ask.append(id: 1, body: body.span.bytes, to: &bytes)
        return Array(bytes[16...])
    }

    @Test("says what Cache-Control says")
    func controls() throws {
        let bare = Ask(.chat)
        #expect(bare.controls == Controls())
        #expect(bare.timeout == nil)
        let full = Ask(
            .chat, options: [.noCache, .noStore, .onlyIfCached, .hasMaxAge, .hasMaxStale], deadlineMilliseconds: 1_500,
            maxAge: 0, maxStale: 7)
        #expect(full.controls == Controls(cacheControl: "no-cache, no-store, only-if-cached, max-age=0, max-stale=7"))
        #expect(full.timeout == .milliseconds(1_500))
    }

    @Test("may not use EVENTS where it was not agreed on")
    func events() {
        let bytes = payload(Ask(.chat, options: .events), body: [])
        #expect(throws: ProtocolError(.featureNotAgreed, .options)) {
            try Ask.read(bytes.span.bytes, features: .digest, limits: BinaryLimits())
        }
        let digest = payload(Ask(.chat, options: .events), body: [UInt8](repeating: 0, count: 32))
        #expect(throws: ProtocolError(.featureNotAgreed, .options)) {
            try Ask.readDigest(digest.span.bytes, features: .digest, limits: BinaryLimits())
        }
    }

    @Test("with a body over body_size_max is refused, one of exactly that size is not")
    func bodySize() throws {
        let limits = BinaryLimits(bodySizeMax: 1_024)
        let fits = payload(Ask(.chat), body: [UInt8](repeating: 0x20, count: 1_024))
        let body = try Ask.read(fits.span.bytes, features: [], limits: limits).body
        #expect(body.count == 1_024)
        let over = payload(Ask(.chat), body: [UInt8](repeating: 0x20, count: 1_025))
        #expect(throws: ProtocolError(.bodyTooLarge, .bodyOverMax)) {
            try Ask.read(over.span.bytes, features: [], limits: limits)
        }
    }
}

@Suite("ERROR")
struct ErrorFrameTests {
    private func frame(_ failure: Failure) -> ErrorFrame {
        ErrorFrame(failure, hidesCredential: true, bodySizeMax: 16 << 10)
    }

    private func refusal(_ status: Int, body: String = "{\"error\":{}}") -> Failure {
        .refused(
            .init(status: status, contentType: "application/json", body: Array(body.utf8), retryAfter: .seconds(2)))
    }

    @Test("has the status and text that HTTP has")
    func sameAsHTTP() {
        let failures: [Failure] = [
            refusal(429), .erred(body: Array("{}".utf8)), .unreachable(reason: "refused"), .timedOut(.firstToken), .cut,
            .malformed(reason: "x"), .tooLarge(limit: "answer_size_max"),
            .limited(limit: "flights_max", retryAfter: .milliseconds(1_500)), .lagged, .notCached, .deadline, .draining,
        ]
        for failure in failures {
            let reply = ErrorReply(failure, hidesCredential: true)
            let frame = frame(failure)
            #expect(Int(frame.status) == reply.status)
            #expect(frame.body == reply.body)
            #expect(frame.retryAfterMilliseconds == reply.retryAfter.map { UInt32($0.milliseconds) })
            #expect(!reply.forbidsRetry || !frame.isRetryable)
            if case .refused = failure { continue }
            #expect(frame.code?.status == reply.status, "\(failure)")
        }
    }

    @Test("passes an upstream's refusal on: its status, its words, and whether to come back")
    func upstream() {
        let busy = frame(refusal(429))
        #expect(busy.status == 429 && busy.upstreamStatus == 429 && busy.isRetryable)
        #expect(busy.retryAfterMilliseconds == 2_000)
        #expect(!frame(refusal(400)).isRetryable)
        #expect(frame(refusal(503)).isRetryable)
        let hidden = frame(refusal(401, body: "{\"error\":{\"message\":\"sk-canary\"}}"))
        #expect(!String(decoding: hidden.body, as: UTF8.self).contains("canary"))
    }

    @Test("replaces words that do not fit a chunk, rather than cutting them")
    func large() throws {
        let long = frame(refusal(400, body: "{\"error\":\"\(String(repeating: "x", count: 20_000))\"}"))
        #expect(long.body.count <= 16 << 10)
        let code = try JSONValue(parsing: long.body)["error"]?["code"]?.text
        #expect(code == "upstream_refused")
    }

    @Test("ends a request; but not the connection's, and not the one whose id was used twice")
    func end() {
        func flags(_ code: ErrorCode, id: UInt64) -> FrameFlags {
            var bytes: [UInt8] = []
            ErrorFrame(code, message: "").append(id: id, to: &bytes)
            return FrameHeader(bytes.span.bytes).flags
        }
        #expect(flags(.cancelled, id: 5) == .end)
        #expect(flags(.duplicateID, id: 5) == [])
        #expect(flags(.tooSlow, id: 0) == [])
    }
}
