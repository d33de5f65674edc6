import Testing

@testable import SamovarCore

@Suite("A request that falls back")
struct FallbackRequestTests {
    private func table(_ fallbacks: [Fallback], _ credential: Route.Credential = .callers) -> RouteTable {
        RouteTable(routes: [
            Route(
                name: "r", upstreams: ["a"], credential: credential,
                ladder: LadderSteps(fallbacks: fallbacks, fixedAnswer: "later"), split: nil)
        ])
    }

    private func request(_ body: String, _ table: RouteTable) throws -> Request {
        var arrival = Request.Arrival(kind: .chat, body: Array(body.utf8))
        arrival.authorization = Secret("Bearer caller")
        arrival.headers["openai-project"] = "p"
        arrival.controls.maxAge = .seconds(9)
        return try Request(arrival, routes: table)
    }

    private let body = #"{ "stream":true, "model" : "big", "messages":[{"role":"user","content":"\u00e9"}] }"#

    @Test("asks another model with the caller's bytes and no other change, under that model's own key")
    func otherModel() throws {
        let table = table([Fallback(upstream: "a", model: "li\"ght", isOwnUpstream: true, takesAuthorization: true)])
        let asked = try request(body, table)
        let fallen = try #require(asked.fallingBack(to: 0))
        let expected = body.replacing("\"big\"", with: #""li\"ght""#)
        #expect(fallen.body.map { String(decoding: $0.bytes, as: UTF8.self) } == expected)
        #expect(fallen.model == "li\"ght" && fallen.form == .stream && fallen.controls == asked.controls)
        #expect(fallen.headers["openai-project"] == "p" && fallen.tenant == asked.tenant)
        // Whoever asks for the lighter model gets the same answer.
        #expect(fallen.key == (try request(expected, table)).key)
        #expect(fallen.key != asked.key)
        #expect(fallen.authorization?.revealed == "Bearer caller")
        // It has nothing to fall back to.
        #expect(fallen.route.ladder.fallbacks.isEmpty && fallen.route.ladder.fixedAnswer == nil)
    }

    @Test("keeps another upstream's answers apart, also of the same model")
    func otherUpstream() throws {
        let table = table([Fallback(upstream: "b"), Fallback(upstream: "c")])
        let asked = try request(body, table)
        let keys = try [0, 1].map { try #require(asked.fallingBack(to: $0)).key } + [asked.key]
        #expect(Set(keys).count == 3)
        #expect(asked.fallingBack(to: 0)?.route.upstreams == ["b"])
        #expect(asked.fallingBack(to: 0)?.body?.bytes == asked.body?.bytes)
        // What names an account of the one provider is not told to another.
        #expect(asked.fallingBack(to: 0)?.headers.isEmpty == true)
    }

    @Test("never takes the caller's Authorization to where it would not go anyway")
    func authorization() throws {
        let elsewhere = try request(body, table([Fallback(upstream: "b")]))
        #expect(elsewhere.authorization != nil)
        #expect(elsewhere.fallingBack(to: 0)?.authorization == nil)
        // Callers who show different credentials stay apart there too.
        #expect(elsewhere.fallingBack(to: 0)?.tenant == elsewhere.tenant)
        let keyed = try request(body, table([Fallback(upstream: "b", takesAuthorization: true)], .configured))
        #expect(keyed.fallingBack(to: 0)?.authorization == nil)
    }

    @Test("is none where it would be the same request")
    func same() throws {
        let table = table([Fallback(upstream: "a", model: "big", isOwnUpstream: true)])
        #expect(try request(body, table).fallingBack(to: 0) == nil)
    }

    @Test("is asked for an arm's callers too, under one key for all arms")
    func ofArms() throws {
        let arms = [Split.Arm(name: "old", share: 50), Split.Arm(name: "new", share: 50, model: "m2")]
        let routes = RouteTable(routes: [
            Route(
                name: "r", upstreams: ["a"],
                ladder: LadderSteps(fallbacks: [Fallback(upstream: "a", model: "light", isOwnUpstream: true)]),
                split: Split(by: .header, arms: arms))
        ])
        let requests = try (0..<20).map { number in
            var arrival = Request.Arrival(kind: .chat, body: Array(#"{"model":"m"}"#.utf8))
            arrival.splitID = "u\(number)"
            return try Request(arrival, routes: routes)
        }
        #expect(Set(requests.map(\.key)).count == 2)
        #expect(Set(requests.map { $0.fallingBack(to: 0)?.key }).count == 1)
        #expect(requests.allSatisfy { $0.fallingBack(to: 0)?.arm == nil })
    }
}
