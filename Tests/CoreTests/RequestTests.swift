import SamovarCore
import Testing

private func request(
    _ body: String, route: Route = Route(upstreams: ["a"]), kind: APIKind = .chat, authorization: String? = nil,
    headers: [String: String] = [:], controls: Controls = Controls(), tenant: String = "default"
) throws -> Request {
    var arrival = Request.Arrival(kind: kind, body: Array(body.utf8))
    arrival.authorization = authorization.map(Secret.init)
    for (name, value) in headers { arrival.headers[name] = value }
    arrival.controls = controls
    return try Request(arrival, routes: RouteTable(routes: [route], listenerTenant: tenant))
}

@Suite("A request's key")
struct RequestKeyTests {
    private let body = #"{"model":"m","messages":[]}"#

    @Test("is another for every part that is keyed")
    func everyPartCounts() throws {
        let base = try request(body).key
        let others = [
            try request(body, route: Route(name: "other", upstreams: ["a"])).key,
            try request(body, kind: .completions).key,
            try request(body, authorization: "Bearer one").key,
            try request(body, authorization: "Bearer two").key,
            try request(body, headers: ["openai-organization": "o"]).key,
            try request(body, headers: ["openai-project": "o"]).key,
            try request(body, headers: ["anthropic-beta": ""]).key,
            try request(#"{"model":"m","messages":[],"cache":{"namespace":"n"}}"#).key,
            try request(#"{"model":"m2","messages":[]}"#).key,
        ]
        #expect(Set(others + [base]).count == others.count + 1)
    }

    @Test("knows no header that is not forwarded")
    func strippedHeaders() throws {
        #expect(try request(body, headers: ["x-tenant": "evil", "accept-language": "de"]).key == request(body).key)
    }

    @Test("takes the tenant from the listener where a key is configured, whatever the caller sends")
    func configuredKey() throws {
        let route = Route(upstreams: ["a"], credential: .configured)
        let alice = try request(body, route: route, authorization: "Bearer alice")
        let bob = try request(body, route: route, authorization: "Bearer bob")
        #expect(alice.key == bob.key)
        #expect(alice.tenant == .listener("default"))
        #expect(alice.authorization == nil)
        #expect(try request(body, route: route, tenant: "other").key != alice.key)
    }

    @Test("cannot be spelled by another split of its parts")
    func lengthPrefixes() throws {
        func key(_ route: String, _ namespace: String) throws -> RequestKey {
            try request(
                #"{"model":"m","messages":[],"cache":{"namespace":"\#(namespace)"}}"#,
                route: Route(name: route, upstreams: ["a"])
            ).key
        }
        #expect(try key("ab", "c") != key("a", "bc"))
        #expect(Tenant(authorization: "x") != .listener("x"))
    }

    @Test("is told whole only on purpose")
    func prefix() throws {
        let key = try request(body).key
        #expect(key.prefix.count == 8)
        #expect(key.hexadecimal.hasPrefix(key.prefix))
        #expect(RequestKey(bytes: key.bytes) == key)
        #expect("\(Secret("sk-very-secret"))" == "***")
        #expect(String(reflecting: Secret("sk-very-secret")) == "***")
    }
}

@Suite("Whom a request is shared with")
struct SharingTests {
    private func sharing(_ members: String, _ sampling: Route.Sampling = .share) throws -> Request.Sharing {
        try request(#"{"model":"m","messages":[]\#(members)}"#, route: Route(upstreams: ["a"], sampling: sampling))
            .sharing
    }

    @Test("with everybody by default, temperature or not")
    func byDefault() throws {
        #expect(try sharing("") == .stored)
        #expect(try sharing(#","temperature":1"#) == .stored)
        #expect(try sharing(#","n":3"#) == .stored)
    }

    @Test("as the route says where the answer is drawn anew each time")
    func sampling() throws {
        #expect(try sharing(#","temperature":0.7"#, .coalesce) == .coalesced)
        #expect(try sharing(#","temperature":0.7"#, .bypass) == .alone(.sampling))
        #expect(try sharing("", .bypass) == .alone(.sampling))
        #expect(try sharing(#","temperature":0"#, .bypass) == .stored)
        #expect(try sharing(#","temperature":0.0,"n":1"#, .bypass) == .stored)
        #expect(try sharing(#","temperature":0,"n":2"#, .coalesce) == .coalesced)
        #expect(try sharing(#","temperature":0,"tools":[{}]"#, .coalesce) == .coalesced)
    }

    @Test("with nobody where the provider keeps something or the caller says no-store")
    func alone() throws {
        #expect(try sharing(#","store":true"#) == .alone(.noStore))
        #expect(try sharing(#","store":false"#) == .stored)
        #expect(try sharing(#","previous_response_id":"r""#) == .alone(.noStore))
        #expect(try sharing(#","cache":{"no-store":true}"#) == .alone(.noStore))
    }
}

@Suite("What a caller may ask of the cache")
struct ControlsTests {
    @Test("is read from the body's cache member")
    func read() throws {
        let controls = try request(#"{"model":"m","cache":{"ttl":60,"no-cache":true,"namespace":"n"}}"#).controls
        #expect(controls.ttl == .seconds(60))
        #expect(controls.noCache)
        #expect(controls.namespace == "n")
    }

    @Test(
        "is refused by name where it is wrong",
        arguments: [
            #"{"cache":1}"#, #"{"cache":{"ttl":"1h"}}"#, #"{"cache":{"ttl":-1}}"#, #"{"cache":{"nocache":true}}"#,
            #"{"cache":{"no-store":1}}"#, #"{"cache":{"namespace":7}}"#, #"{"stream":"yes"}"#, #"{"model":7}"#,
        ])
    func refused(body: String) {
        #expect(throws: RequestError.self) { try request(body) }
    }

    @Test("is the stricter of header and body")
    func merged() {
        var one = Controls()
        one.maxAge = .seconds(10)
        var other = Controls()
        other.maxAge = .seconds(5)
        other.noCache = true
        #expect(one.merged(with: other).maxAge == .seconds(5))
        #expect(one.merged(with: other).noCache)
    }
}

@Suite("A route")
struct RouteTests {
    @Test(
        "matches models by its pattern",
        arguments: [
            ("*", "anything", true), ("deepseek-reasoner*", "deepseek-reasoner-v2", true), ("gpt-*", "gpt", false),
            ("*-mini", "gpt-4o-mini", true), ("*-mini", "mini", false), ("a*b*c", "aXbYc", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false), ("exact", "exact", true), ("exact", "exactly", false), ("**", "", true),
        ])
    func patterns(pattern: String, model: String, expected: Bool) {
        let table = RouteTable(routes: [Route(model: ModelPattern(pattern), upstreams: ["a"])])
        #expect((table.route(for: .chat, model: model) != nil) == expected)
    }

    @Test("is the first in file order that matches")
    func firstWins() {
        let table = RouteTable(routes: [
            Route(name: "embed", kinds: [.embeddings]), Route(name: "r", model: ModelPattern("r*")),
            Route(name: "default"),
        ])
        #expect(table.route(for: .embeddings, model: "r1")?.name == "embed")
        #expect(table.route(for: .chat, model: "r1")?.name == "r")
        #expect(table.route(for: .chat, model: "x")?.name == "default")
    }
}
