import SamovarCore
import Testing

@testable import samovar

struct ConfigurationLadderTests {
    private static let upstreams = """
        upstreams:
          - {name: a, url: "https://a.example/v1", api_key_env: A}
          - {name: b, url: "https://b.example/v1", api_key_env: B}
          - {name: own, url: "https://c.example/v1"}
          - {name: same, url: "https://C.example/v2"}
          - {name: other, url: "https://c.example:8443/v1"}

        """

    @Test("a route's ladder and split become the engine's")
    func engines() throws {
        let route = try #require(
            try ConfigurationText(
                Self.upstreams + """
                    routes:
                      - name: chat
                        upstreams: [a]
                        early_refresh: 1.5
                        stale_while_revalidate: 30s
                        answer_within: 200ms
                        fallback: [{upstream: a, model: light}, {upstream: b}, {upstream: own, model: small}]
                        fixed_answer: "Busy.\\nLater?"
                        split: {by: header, arms: [{name: old, share: 95}, {name: new, share: 5, model: x, upstreams: [b]}]}
                      - {name: default, upstreams: [a]}
                    """
            ).read().routeTable.routes.first)
        #expect(
            route.ladder
                == LadderSteps(
                    earlyRefresh: 1.5, staleWhileRevalidate: .seconds(30), answerWithin: .milliseconds(200),
                    fallbacks: [
                        Fallback(upstream: "a", model: "light", isOwnUpstream: true), Fallback(upstream: "b"),
                        Fallback(upstream: "own", model: "small"),
                    ],
                    fixedAnswer: "Busy.\nLater?"))
        #expect(
            route.split
                == Split(
                    by: .header,
                    arms: [
                        Split.Arm(name: "old", share: 95),
                        Split.Arm(name: "new", share: 5, model: "x", upstreams: ["b"]),
                    ]))
    }

    @Test("without a word about it answers are made anew early, and there is nothing else on the ladder")
    func defaults() throws {
        let table = try ConfigurationText("upstreams: [{name: a, url: http://a}]").read().routeTable
        #expect(table.routes.map(\.ladder) == [LadderSteps()])
        #expect(table.routes.map(\.split) == [nil])
    }

    @Test("callers' own Authorization may go to a fallback on the route's own host, and nowhere else")
    func authorization() throws {
        let own = try ConfigurationText(
            Self.upstreams + """
                routes:
                  - {name: chat, upstreams: [own], fallback: [{upstream: same}, {upstream: own, model: x}, {upstream: a}]}
                  - {name: default, upstreams: [a]}
                """
        ).read().routeTable.routes[0].ladder.fallbacks
        #expect(own.map(\.takesAuthorization) == [true, true, false])
        let complaints = ConfigurationText(
            Self.upstreams + """
                routes:
                  - {name: chat, upstreams: [own], fallback: [{upstream: other}]}
                  - {name: default, upstreams: [a]}
                """
        ).complaints
        #expect(complaints.count == 1)
        #expect(complaints[0].contains("routes[0].fallback[0].upstream"))
        #expect(complaints[0].contains("would be sent to another host"))
    }

    @Test("an upstream that is named as a fallback or for an arm alone is asked for nothing else")
    func aside() throws {
        let yaml = """
            upstreams: [{name: a, url: http://a}, {name: b, url: http://b, api_key_env: B}, {name: c, url: http://c}]
            routes:
              - {name: chat, fallback: [{upstream: b}], split: {arms: [{name: x, share: 100, upstreams: [c]}]}}
            """
        let table = try ConfigurationText(yaml).read().routeTable
        #expect(table.routes.map(\.upstreams) == [["a"], ["a"]])
        // The only one there is, with another model.
        let only = "upstreams: [{name: a, url: http://a}]\nroutes: [{name: c, fallback: [{upstream: a, model: m}]}]"
        #expect(try ConfigurationText(only).read().routeTable.routes.map(\.upstreams) == [["a"], ["a"]])
    }

    @Test(
        "what does not fit is refused by name",
        arguments: [
            ("early_refresh: 11", "early_refresh", "a number from 0 to 10"),
            ("early_refresh: 1.001", "early_refresh", "at most 2 decimals"),
            ("early_refresh: nan", "early_refresh", "a number from 0 to 10"),
            ("stale_while_revalidate: 25h", "stale_while_revalidate", "is longer than stale_ttl, which is 24h"),
            ("answer_within: 11m", "answer_within", "is longer than deadline.total, which is 10m"),
            ("answer_within: 0", "answer_within", "a duration"),
            ("fallback: [{model: m}]", "fallback[0]", "upstream"),
            ("fallback: [{upstream: bb}]", "fallback[0].upstream", "there is no upstream 'bb'"),
            ("fallback: [{upstream: a}]", "fallback[0]", "is the route's own upstream; name another one, or a model"),
            ("fallback: [{upstream: a, model: \"x*\"}]", "fallback[0].model", "stands for no model"),
            ("fixed_answer: \"\"", "fixed_answer", "a text of 1 to 16384 bytes"),
            ("split: {arms: [{name: x, share: 90}]}", "split.arms", "the shares add up to 90, and not to 100"),
            ("split: {arms: [{name: x, share: 101}]}", "split.arms[0].share", "a whole number from 0 to 100"),
            (
                "split: {arms: [{name: x, share: 50}, {name: x, share: 50}]}", "split.arms[1].name",
                "'x' is also the name of"
            ),
            ("split: {by: age, arms: []}", "split.by", "safety_identifier"),
            (
                "split: {arms: [{name: x, share: 100, upstreams: [own]}]}", "split.arms[0].upstreams[0]",
                "has no api_key_env, unlike the route's upstreams"
            ),
            ("split: {arms: [{name: x, share: 100, upstreams: [z]}]}", "split.arms[0].upstreams[0]", "no upstream 'z'"),
        ])
    func refused(line: String, path: String, message: String) {
        let complaints = ConfigurationText(
            Self.upstreams + """
                routes:
                  - name: chat
                    upstreams: [a]
                    \(line)
                  - {name: default, upstreams: [a]}
                """
        ).complaints
        #expect(complaints.contains { $0.contains("routes[0].\(path)") && $0.contains(message) }, "\(complaints)")
    }

    @Test("what is rendered is read back as the same configuration")
    func rendered() throws {
        let configuration = try ConfigurationText(
            Self.upstreams + """
                routes:
                  - name: chat
                    upstreams: [a]
                    early_refresh: 0.05
                    answer_within: 1s
                    fallback: [{upstream: b, model: "x: y"}]
                    fixed_answer: "a\\nb: \\"c\\""
                    split: {by: safety_identifier, arms: [{name: o, share: 100}]}
                  - {name: default, upstreams: [a]}
                """
        ).read()
        #expect(try ConfigurationText(configuration.render()).read() == configuration.resolved)
    }
}
