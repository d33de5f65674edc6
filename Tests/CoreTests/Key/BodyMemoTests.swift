import SamovarCore
import TestSupport
import Testing

@Suite("A memo of recent bodies")
struct BodyMemoTests {
    private static let body =
        #"{"model":"deepseek-chat","messages":[],"stream":true,"cache":{"ttl":5,"namespace":"n"}}"#

    private static func arrival(_ body: String = body, kind: APIKind = .chat, authorization: String? = nil)
        -> Request.Arrival
    {
        var arrival = Request.Arrival(kind: kind, body: Array(body.utf8))
        arrival.authorization = authorization.map(Secret.init)
        return arrival
    }

    private static func routes(_ credential: Route.Credential = .configured) -> RouteTable {
        RouteTable(routes: [
            Route(name: "first", kinds: [.embeddings]), Route(upstreams: ["a"], credential: credential),
        ])
    }

    private static func question(_ arrival: Request.Arrival, _ routes: RouteTable) -> BodyMemo.Question {
        BodyMemo.Question(
            arrival, caller: routes.caller(authorization: arrival.authorization),
            rawDigest: Digest256(of: arrival.body ?? []))
    }

    /// What the memo makes of an arrival that it may know.
    private static func known(
        _ arrival: Request.Arrival, in memo: inout BodyMemo, _ routes: RouteTable
    ) -> Request? {
        memo.lookup(question(arrival, routes), in: routes).map { Request(arrival, known: $0, routes: routes) }
    }

    private static func remember(_ arrival: Request.Arrival, in memo: inout BodyMemo, _ routes: RouteTable) throws {
        memo.insert(try Request(arrival, routes: routes), of: arrival, as: question(arrival, routes), in: routes)
    }

    @Test("understands a body that it knows as reading it does")
    func asRead() throws {
        let routes = Self.routes()
        var memo = BodyMemo()
        for body in [
            Self.body, #"{"model":"m"}"#, #"{"model":"m","store":true}"#, #"{"temperature":0,"stream":true}"#,
            #"{"stream":true,"stream_options":{"include_usage":true}}"#, #"{"cache":{"no-cache":true}}"#,
            #"{"cache":{"no-store":true,"ttl":0}}"#,
        ] {
            let arrival = Self.arrival(body)
            try Self.remember(arrival, in: &memo, routes)
            let found = Self.known(arrival, in: &memo, routes)
            let read = try Request(arrival, routes: routes)
            #expect(found?.key == read.key)
            #expect(found?.model == read.model)
            #expect(found?.form == read.form)
            #expect(found?.wantsUsage == read.wantsUsage)
            #expect(found?.controls == read.controls)
            #expect(found?.sharing == read.sharing)
            #expect(found?.route == read.route)
            #expect(found?.tenant == read.tenant)
            #expect(found?.body?.bytes == read.body?.bytes)
        }
    }

    @Test("answers by the digest alone, without the body")
    func digestOnly() throws {
        let routes = Self.routes()
        var memo = BodyMemo()
        let arrival = Self.arrival()
        try Self.remember(arrival, in: &memo, routes)
        var asked = arrival
        asked.body = nil
        let question = BodyMemo.Question(
            asked, caller: routes.caller(authorization: nil),
            rawDigest: Digest256(bytes: Digest256(of: Array(Self.body.utf8)).bytes))
        let key = memo.lookup(question, in: routes)?.key
        #expect(try key == Request(arrival, routes: routes).key)
    }

    @Test("knows nothing of what another caller sent, nor for another kind, header or namespace")
    func apart() throws {
        let routes = Self.routes(.callers)
        // One set, so that all of them meet.
        var memo = BodyMemo(sizeMax: 600)
        let alice = Self.arrival(#"{"model":"m"}"#, authorization: "Bearer alice")
        try Self.remember(alice, in: &memo, routes)
        var others = [
            Self.arrival(#"{"model":"m"}"#, authorization: "Bearer bob"), Self.arrival(#"{"model":"m"}"#),
            Self.arrival(#"{"model":"m"}"#, kind: .completions, authorization: "Bearer alice"),
            Self.arrival(#"{"model":"m" }"#, authorization: "Bearer alice"), alice, alice, alice,
        ]
        others[4].headers["openai-project"] = "p"
        others[5].headers["openai-project"] = ""
        others[6].controls.namespace = "n"
        let found = others.map { Self.known($0, in: &memo, routes) == nil }
        #expect(found == Array(repeating: true, count: others.count))
        let own = Self.known(alice, in: &memo, routes)
        #expect(own != nil)
    }

    @Test("remembers keyed headers and a namespace beside the body, each for itself")
    func headersAndNamespace() throws {
        let routes = Self.routes()
        var memo = BodyMemo()
        var arrivals = [Self.arrival(), Self.arrival(), Self.arrival()]
        arrivals[1].headers["openai-project"] = "p"
        arrivals[2].controls.namespace = "other"
        for arrival in arrivals { try Self.remember(arrival, in: &memo, routes) }
        for arrival in arrivals {
            let found = Self.known(arrival, in: &memo, routes)
            let read = try Request(arrival, routes: routes)
            #expect(found?.key == read.key)
            #expect(found?.controls == read.controls)
        }
    }

    @Test("keeps what the body says of the cache, and merges what the next caller's headers say")
    func controls() throws {
        let routes = Self.routes()
        var memo = BodyMemo()
        var strict = Self.arrival()
        strict.controls.noStore = true
        try Self.remember(strict, in: &memo, routes)
        let unknown = Self.known(Self.arrival(), in: &memo, routes) == nil
        #expect(unknown)
        try Self.remember(Self.arrival(), in: &memo, routes)
        let found = Self.known(strict, in: &memo, routes)
        #expect(found?.sharing == .alone(.noStore))
        let plain = Self.known(Self.arrival(), in: &memo, routes)
        #expect(plain?.sharing == .stored)
    }

    @Test("forgets all when the routes are others, even if they read alike")
    func otherRoutes() throws {
        let (old, new) = (Self.routes(), Self.routes())
        var memo = BodyMemo()
        try Self.remember(Self.arrival(), in: &memo, old)
        let inNew = Self.known(Self.arrival(), in: &memo, new) == nil
        #expect(inNew)
        try Self.remember(Self.arrival(#"{"model":"m"}"#), in: &memo, new)
        let inOld = Self.known(Self.arrival(), in: &memo, old) == nil
        #expect(inOld)
        let again = Self.known(Self.arrival(), in: &memo, new) == nil
        #expect(again)
    }

    @Test("holds no more than its bytes allow, and drives out what was used longer ago")
    func bounded() throws {
        let routes = Self.routes()
        var memo = BodyMemo(sizeMax: 600)
        #expect(memo.entryMax == 2)
        let (one, two, three) = (Self.arrival(#"{"n":1}"#), Self.arrival(#"{"n":2}"#), Self.arrival(#"{"n":3}"#))
        try Self.remember(one, in: &memo, routes)
        try Self.remember(two, in: &memo, routes)
        _ = Self.known(one, in: &memo, routes)
        try Self.remember(three, in: &memo, routes)
        let left = [one, two, three].map { Self.known($0, in: &memo, routes) != nil }
        #expect(left == [true, false, true])
    }

    @Test("remembers nothing where it may take no memory")
    func off() throws {
        let routes = Self.routes()
        var memo = BodyMemo(sizeMax: 0)
        try Self.remember(Self.arrival(), in: &memo, routes)
        let found = Self.known(Self.arrival(), in: &memo, routes) == nil
        #expect(found && memo.entryMax == 0)
    }

    @Test("does not remember a model whose name is too long for it")
    func longModel() throws {
        let routes = Self.routes()
        var memo = BodyMemo()
        let body = "{\"model\":\"\(String(repeating: "m", count: 65))\"}"
        try Self.remember(Self.arrival(body), in: &memo, routes)
        let found = Self.known(Self.arrival(body), in: &memo, routes) == nil
        #expect(found)
    }

    @Test("never gives another body's key, however many pass through")
    func manyBodies() throws {
        let routes = Self.routes()
        var random = SeededGenerator(seed: 7)
        var memo = BodyMemo(sizeMax: 256 << 10)
        var foundCount = 0
        for _ in 0..<3_000 {
            let arrival = Self.arrival(#"{"seed":\#(Int.random(in: 0..<400, using: &random))}"#)
            let read = try Request(arrival, routes: routes)
            if let found = Self.known(arrival, in: &memo, routes) {
                foundCount += 1
                #expect(found.key == read.key)
            } else {
                try Self.remember(arrival, in: &memo, routes)
            }
        }
        #expect(foundCount > 500)
    }
}
