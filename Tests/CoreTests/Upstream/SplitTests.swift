import Testing

@testable import SamovarCore

@Suite("A split")
struct SplitTests {
    private static func split(_ shares: [Int]) -> Split {
        Split(by: .user, arms: shares.enumerated().map { Split.Arm(name: "arm\($0)", share: $1) })
    }

    private static let ids = (0..<100_000).map { Array("user-\($0)".utf8) }

    @Test("gives every arm its share of a hundred thousand ids, within one in a hundred")
    func shares() {
        let shares = [90, 5, 4, 1, 0]
        let split = Self.split(shares)
        var counts = [0, 0, 0, 0, 0]
        for id in Self.ids { counts[split.arm(of: id, route: "r")] += 1 }
        for (count, share) in zip(counts, shares) {
            #expect(abs(Double(count) / 1_000 - Double(share)) < 1)
        }
        #expect(counts[4] == 0)
    }

    @Test("moves only those between an old border and the new one when shares change")
    func moves() {
        let (before, after) = (Self.split([90, 5, 5]), Self.split([85, 10, 5]))
        var moved = 0
        for id in Self.ids {
            let (old, new) = (before.arm(of: id, route: "r"), after.arm(of: id, route: "r"))
            guard old != new else { continue }
            moved += 1
            #expect(old == 0 && new == 1)
        }
        #expect(abs(Double(moved) / 1_000 - 5) < 0.5)
    }

    @Test("gives one id the same arm always, other routes another order, and the first arm to who has none")
    func stable() {
        let split = Self.split([50, 50])
        #expect(Self.ids.prefix(1_000).allSatisfy { split.arm(of: $0, route: "r") == split.arm(of: $0, route: "r") })
        // A vector: what was given yesterday is given today.
        #expect((0..<16).map { split.arm(of: Array("user-\($0)".utf8), route: "r") } == Self.known)
        let differing = Self.ids.prefix(1_000).count { split.arm(of: $0, route: "r") != split.arm(of: $0, route: "s") }
        #expect((400...600).contains(differing))
        #expect(split.arm(of: [], route: "r") == 0)
    }

    private static let known = [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1]
}

@Suite("A request on a split route")
struct SplitRequestTests {
    private func request(
        _ body: String, by: Split.Identity = .user, id: String = "", split: Bool = true
    ) throws -> Request {
        let arms = [
            Split.Arm(name: "old", share: 50), Split.Arm(name: "new", share: 50, model: "m2", upstreams: ["b"]),
        ]
        let route = Route(name: "r", upstreams: ["a"], split: split ? Split(by: by, arms: arms) : nil)
        var arrival = Request.Arrival(kind: .chat, body: Array(body.utf8))
        arrival.splitID = id
        return try Request(arrival, routes: RouteTable(routes: [Route(name: "x", model: ModelPattern("x")), route]))
    }

    private func arms(_ members: (Int) -> String) throws -> Set<String> {
        Set(try (0..<40).map { try request(#"{"model":"m"\#(members($0))}"#).arm?.name ?? "none" })
    }

    @Test("is divided by the body's user, its safety identifier or the header, as the route says")
    func identities() throws {
        #expect(try arms { #","user":"u\#($0)""# } == ["old", "new"])
        #expect(try arms { _ in #","user":"same""# }.count == 1)
        #expect(try arms { #","user":\#($0)"# } == ["old"])
        #expect(try arms { _ in "" } == ["old"])
        let identifiers = try (0..<40).map {
            try request(#"{"model":"m","safety_identifier":"u\#($0)"}"#, by: .safetyIdentifier).arm?.name
        }
        #expect(Set(identifiers) == ["old", "new"])
        let headers = try (0..<40).map { try request(#"{"model":"m"}"#, by: .header, id: "u\($0)").arm?.name }
        #expect(Set(headers) == ["old", "new"])
        #expect(try request(#"{"model":"m","user":"u"}"#, split: false).arm == nil)
    }

    @Test("has its arm in its key, asks the arm's model and upstreams, and says which model that is")
    func armsCount() throws {
        let id = try #require(
            (0..<100).first { number in
                (try? request(#"{"model":"m"}"#, by: .header, id: "u\(number)").arm?.name) == "new"
            })
        let old = try request(#"{"model":"m"}"#, by: .header)
        let new = try request(#"{"model":"m"}"#, by: .header, id: "u\(id)")
        let none = try request(#"{"model":"m"}"#, split: false)
        #expect(Set([old.key, new.key, none.key]).count == 3)
        #expect(old.model == "m" && old.route.upstreams == ["a"] && old.route.modelInstead == nil)
        #expect(new.model == "m2" && new.route.upstreams == ["b"] && new.route.modelInstead == "m2")
    }

    @Test("is remembered by its body's digest with its arm, and with its header's where that divides")
    func remembered() throws {
        let arms = [Split.Arm(name: "old", share: 50), Split.Arm(name: "new", share: 50)]
        let routes = RouteTable(routes: [
            Route(name: "r", credential: .configured, split: Split(by: .header, arms: arms))
        ])
        var memo = BodyMemo()
        let digest = Digest256(of: Array("{}".utf8))
        var keys: [RequestKey] = []
        for number in 0..<20 {
            var arrival = Request.Arrival(kind: .chat, body: Array(#"{"model":"m"}"#.utf8))
            arrival.splitID = number == 0 ? "" : "u\(number)"
            let request = try Request(arrival, routes: routes)
            let question = BodyMemo.Question(arrival, caller: routes.caller(authorization: nil), rawDigest: digest)
            memo.insert(request, of: arrival, as: question, in: routes)
            let found = memo.lookup(question, in: routes)
            let known = try #require(found)
            let recalled = Request(arrival, known: known, routes: routes)
            #expect(recalled.key == request.key && recalled.arm?.name == request.arm?.name)
            keys.append(request.key)
        }
        #expect(Set(keys).count == 2)
        let found = memo.lookupPlain(digest, kind: .chat, caller: routes.caller(authorization: nil), in: routes)
        let plain = try #require(found)
        #expect(routes.hasArms && routes.arm(of: plain)?.name == "old" && plain.key == keys[0])
    }
}
