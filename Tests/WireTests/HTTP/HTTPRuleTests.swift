import SamovarCore
import SamovarWire
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

private func head(
    _ headers: [(String, String)] = [("host", "localhost")], target: String = "/v1/chat/completions",
    method: String = "POST"
) -> RequestHead {
    RequestHead(method: method, target: target, headers: headers.map { (name: $0.0, value: $0.1) })
}

@Suite("The rules for a request")
struct RequestRulesTests {
    private func status(_ head: RequestHead, _ names: RequestRules.Names = .init()) -> Int? {
        switch RequestRules(limits: .init(bodySizeMax: 100, headerCountMax: 5), names: names).judge(head) {
        case .refuse(let error): error.status
        case .read, .sayContinue: nil
        }
    }

    @Test(
        "refuses whatever makes the end of a request doubtful",
        arguments: [
            [("content-length", "5"), ("transfer-encoding", "chunked")],
            [("content-length", "5"), ("content-length", "5")],
            [("content-length", "+5")], [("content-length", "-1")], [("content-length", "")],
            [("content-length", "5, 5")],
            [("content-length", "18446744073709551616")], [("content-length", "0x5")],
            [("transfer-encoding", "xchunked")],
            [("transfer-encoding", "chunked, identity")], [("transfer-encoding", "identity")],
            [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        ] as [[(String, String)]])
    func framing(headers: [(String, String)]) {
        #expect(status(head([("host", "localhost")] + headers)) == 400)
    }

    @Test("takes the framing that HTTP has")
    func takes() {
        #expect(status(head([("host", "localhost"), ("Content-Length", "5")])) == nil)
        #expect(status(head([("host", "localhost"), ("Transfer-Encoding", "Chunked")])) == nil)
    }

    @Test("answers only to names of this host, and to pages of no browser")
    func names() {
        for host in ["localhost", "localhost:7600", "127.0.0.1:7600", "127.8.9.1", "[::1]:7600", "LOCALHOST"] {
            #expect(status(head([("host", host)])) == nil, "\(host)")
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "1270.0.0.1", "10.0.0.1", ""] {
            #expect(status(head([("host", host)])) == 403, "\(host)")
        }
        #expect(status(head([])) == 403)
        #expect(status(head([("host", "localhost"), ("host", "localhost")])) == 400)
        #expect(status(head([("host", "localhost"), ("origin", "http://localhost")])) == 403)
        let named = RequestRules.Names(hosts: ["sidecar"], origins: ["http://app"])
        #expect(status(head([("host", "sidecar:80"), ("origin", "http://app")]), named) == nil)
        #expect(status(head([("host", "whatever")]), RequestRules.Names(anyHost: true)) == nil)
    }

    @Test("refuses by size, count, encoding and expectation, each with its status")
    func limits() {
        #expect(status(head([("host", "localhost"), ("content-length", "101")])) == 413)
        #expect(status(head([("host", "localhost")] + (0..<5).map { ("h\($0)", "v") })) == 431)
        #expect(status(head([("host", "localhost"), ("content-encoding", "gzip")])) == 415)
        #expect(status(head([("host", "localhost"), ("expect", "magic")])) == 417)
        #expect(status(head(target: "http://evil/")) == 400)
        #expect(status(head(target: "//evil/")) == 400)
        #expect(status(head(target: "*")) == 400)
    }
}

@Suite("A caller's pace")
struct ReadPaceTests {
    private let limits = ReadPace.Limits(
        headerTimeout: .milliseconds(500), bodyRateMin: 1_000, idleTimeout: .milliseconds(6_000))

    @Test("is too slow when a head takes too long, however often a byte comes")
    func slowHead() {
        var pace = ReadPace(limits: limits, at: at(0))
        for time in stride(from: 100, to: 600, by: 100) { pace.headBegan(at: at(Int64(time))) }
        #expect(pace.verdict(at: at(599)) == .wait(until: at(600)))
        #expect(pace.verdict(at: at(600)) == .tooSlow)
    }

    @Test("is too slow when a body comes at less than its rate")
    func slowBody() {
        var pace = ReadPace(limits: limits, at: at(0))
        pace.bodyBegan(at: at(0))
        pace.received(200)
        pace.bodyBegan(at: at(400))
        #expect(pace.verdict(at: at(699)) == .wait(until: at(700)))
        #expect(pace.verdict(at: at(700)) == .tooSlow)
    }

    @Test("does not count while it is answered, and is idle after that")
    func answering() {
        var pace = ReadPace(limits: limits, at: at(0))
        pace.headBegan(at: at(0))
        pace.requestCompleted()
        #expect(pace.verdict(at: at(100_000)) == .wait(until: .never))
        pace.answered(at: at(100_000))
        #expect(pace.verdict(at: at(105_999)) == .wait(until: at(106_000)))
        #expect(pace.verdict(at: at(106_000)) == .closeIdle)
    }
}

@Suite("Paths")
struct PathTests {
    @Test(
        "are cached only as they are spelled here",
        arguments: [
            "/v1/chat/completions/", "/v1/chat/completions;x.css", "/v1/chat%2fcompletions", "/V1/chat/completions",
            "/v1/chat/completions?x=1", "/v1//chat/completions", "/v1/./chat/completions", "/v1/chat/completions#a",
        ])
    func exact(target: String) {
        #expect(Endpoint(method: "POST", target: target) == .other)
    }

    @Test("work with and without /v1")
    func known() {
        for prefix in ["", "/v1"] {
            #expect(Endpoint(method: "POST", target: prefix + "/chat/completions") == .api(.chat))
            #expect(Endpoint(method: "POST", target: prefix + "/completions") == .api(.completions))
            #expect(Endpoint(method: "POST", target: prefix + "/embeddings") == .api(.embeddings))
            #expect(Endpoint(method: "GET", target: prefix + "/models") == .api(.models))
        }
        #expect(Endpoint(method: "GET", target: "/v1/chat/completions") == .other)
    }

    @Test("pass through only with the caller's own credential, or by name")
    func passing() {
        let own = PassRule(hasConfiguredKey: false)
        let configured = PassRule(named: ["/v1/files"], hasConfiguredKey: true)
        let with = [("host", "localhost"), ("authorization", "Bearer x")]
        #expect(own.passes(head(with, target: "/v1/files?limit=1")))
        #expect(!own.passes(head(target: "/v1/files")))
        #expect(configured.passes(head(target: "/v1/files")))
        #expect(!configured.passes(head(with, target: "/v1/batches")))
        for target in ["/v1/../admin", "/v1/%2e%2e/x", "/v1//x", "/v2/files", "/v1/a\\b", "/v1/./x", "/"] {
            #expect(!own.passes(head(with, target: target)), "\(target)")
        }
    }
}

@Suite("Headers that are read")
struct HeaderTests {
    @Test("Cache-Control is read directive by directive")
    func cacheControl() {
        let controls = Controls(cacheControl: "No-Cache , max-age=10,max-stale=\"5\", x, only-if-cached")
        #expect(controls.noCache && controls.onlyIfCached && !controls.noStore)
        #expect(controls.maxAge == .seconds(10))
        #expect(controls.maxStale == .seconds(5))
        #expect(Controls(cacheControl: "max-age=x").maxAge == .zero)
        #expect(Controls(cacheControl: "max-age=-1").maxAge == .zero)
        #expect(Controls(cacheControl: "max-age=0, max-age=3600").maxAge == .zero)
        #expect(Controls(cacheControl: "max-stale=").maxStale == .zero)
        #expect((Controls(cacheControl: "max-stale").maxStale ?? .zero) > .seconds(1_000_000))
    }

    @Test(
        "Retry-After is seconds or a date, within reason",
        arguments: [
            ("7", Duration.seconds(7)), ("0", .zero), ("1000000000", .seconds(60)),
            ("99999999999999999999", .seconds(60)),
            ("-5", nil), ("", nil), ("soon", nil), ("Thu, 01 Jan 1970 00:01:40 GMT", .seconds(40)),
            ("Thu, 01 Jan 1970 00:00:10 GMT", .zero), ("Sun, 06 Nov 1994 08:49:37 GMT", .seconds(60)),
            ("Sun, 99 Nov 1994 08:49:37 GMT", nil),
        ] as [(String, Duration?)])
    func retryAfter(text: String, expected: Duration?) {
        #expect(RetryAfter.duration(text, now: WallTime(milliseconds: 60_000)) == expected)
    }

    @Test("lengths of time are whole numbers with a unit")
    func durations() {
        #expect(Duration(spelled: "250ms") == .milliseconds(250))
        #expect(Duration(spelled: "2s") == .seconds(2))
        #expect(Duration(spelled: "5m") == .seconds(300))
        for text in ["", "2", "s", "-1s", "1.5s", "1h30m", "99999999999s", "2 s"] {
            #expect(Duration(spelled: text) == nil)
        }
    }

    @Test("provenance is told in X-Cache and Cache-Status")
    func provenance() {
        let hit = Provenance(result: .l2Hit, age: .seconds(3), remaining: .milliseconds(9_900))
        #expect(hit.xCache == "HIT")
        #expect(hit.cacheStatus == "samovar; hit; detail=l2; ttl=9")
        #expect(Provenance(result: .coalesced).cacheStatus == "samovar; fwd=miss; collapsed")
        #expect(Provenance(result: .miss, stored: true).cacheStatus == "samovar; fwd=miss; stored")
        #expect(Provenance(result: .bypass).cacheStatus == "samovar; fwd=bypass")
        #expect(Provenance(result: .stale, remaining: .seconds(-5)).cacheStatus == "samovar; hit; fwd=stale; ttl=-5")
        let stale = Provenance(result: .stale, remaining: .seconds(-5), step: .staleIfBusy)
        #expect(stale.cacheStatus == "samovar; hit; fwd=stale; detail=stale_if_busy; ttl=-5")
        #expect(Provenance(result: .fallback).cacheStatus == "samovar; fwd=miss; detail=fallback")
        let fixed = Provenance(result: .fallback, step: .fixedAnswer)
        #expect(fixed.cacheStatus == "samovar; fwd=miss; detail=fixed_answer")
        var head = OutputBuffer()
        fixed.appendFields(to: &head)
        #expect(String(decoding: head.bytes, as: UTF8.self).contains("x-samovar-step: fixed_answer\r\n"))
    }
}
