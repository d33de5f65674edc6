import SamovarCore
import TestSupport
import Testing

private func text(_ body: [UInt8]) throws -> [UInt8] { try CanonicalBody(body).canonicalText() }

@Suite("A canonical body, beside a plain reference")
struct CanonicalReferenceTests {
    @Test(
        "is what the rules say, for thousands of random bodies in random spellings", arguments: 0..<8 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var bodies = RandomBody(seed: seed)
        for _ in 0..<300 {
            let tree = bodies.body()
            let spelled = bodies.spelled(tree)
            // The reference reads the text itself: a mistake in the spelling would be seen here.
            let expected = Array(try ReferenceJSON(parsing: spelled).canonicalBody.utf8)
            let body = try CanonicalBody(Array(spelled.utf8))
            #expect(body.canonicalText() == expected)
            #expect(body.digest().bytes == Digest256(of: expected).bytes)
        }
    }

    @Test("is kept by another order where it does not count, other white space, escapes and spellings of numbers")
    func spellings() throws {
        var bodies = RandomBody(seed: 100)
        for _ in 0..<400 {
            let tree = bodies.body()
            let one = try CanonicalBody(Array(bodies.spelled(tree).utf8)).digest()
            let other = try CanonicalBody(Array(bodies.spelled(tree).utf8)).digest()
            #expect(one == other)
        }
    }

    @Test("is another one as soon as one value, anywhere, is another; unless it is left out")
    func oneValue() throws {
        var bodies = RandomBody(seed: 200)
        for _ in 0..<800 {
            let tree = bodies.body()
            var changed = tree
            let isCounted = changed.changeOne(&bodies)
            let before = try CanonicalBody(Array(bodies.spelled(tree).utf8)).digest()
            let after = try CanonicalBody(Array(bodies.spelled(changed).utf8)).digest()
            #expect((before != after) == isCounted)
        }
    }

    @Test(
        "is what the rules say for every recorded request",
        .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)))
    func recorded() throws {
        var count = 0
        for exchange in try TestData.objects("wire/recorded-chat.jsonl.xz") {
            guard let request = exchange["request"] as? String, request.hasPrefix("{") else { continue }
            count += 1
            #expect(try text(Array(request.utf8)) == Array(ReferenceJSON(parsing: request).canonicalBody.utf8))
        }
        #expect(count >= 367)
    }
}

extension ReferenceJSON {
    /// Changes one value somewhere below; says whether it counts.
    fileprivate mutating func changeOne(_ random: inout RandomBody) -> Bool {
        guard case .object(var members) = self, !members.isEmpty else { return false }
        let place = random.below(members.count)
        members[place].value.change(&random)
        self = .object(members)
        return !Self.leftOut.contains(String(String.UnicodeScalarView(members[place].name)))
    }

    private mutating func change(_ random: inout RandomBody) {
        switch self {
        case .object(var members) where !members.isEmpty && random.below(4) > 0:
            let place = random.below(members.count)
            if random.below(3) == 0 {
                members[place].name.append("*")
            } else {
                members[place].value.change(&random)
            }
            self = .object(members)
        case .array(var elements) where !elements.isEmpty && random.below(4) > 0:
            elements[random.below(elements.count)].change(&random)
            self = .array(elements)
        case .object(let members): self = .object(members + [Member(name: ["*"], value: .word("null"))])
        case .array(let elements): self = .array(elements + [.word("null")])
        case .string(var scalars):
            scalars.insert("*", at: random.below(scalars.count + 1))
            self = .string(scalars)
        case .number: self = .number("4711")
        case .word(let word): self = .word(word == "true" ? "false" : "true")
        }
    }
}

@Suite("A body read eight bytes at a time")
struct WordEdgeTests {
    @Test("is understood wherever a quote, an escape or a letter beyond ASCII falls", arguments: 0...40)
    func everyPlace(count: Int) throws {
        for piece in ["", "\\n", "\\\"", "\\u0041", "\\/", "é", "茶", "😀", "\\ud83d\\ude00"] {
            for after in [0, 1, 7, 8, 9, 17] {
                let filled = String(repeating: "x", count: count) + piece + String(repeating: "y", count: after)
                let body = #"{"\#(filled)":"\#(filled)"}"#
                #expect(try text(Array(body.utf8)) == Array(ReferenceJSON(parsing: body).canonicalBody.utf8))
            }
        }
    }

    @Test("skips any amount of white space", arguments: 0...40)
    func space(count: Int) throws {
        for other in ["", "\n", "\r\n", "\t\t\t\t\t\t\t\t\t"] {
            let space = String(repeating: " ", count: count) + other + String(repeating: " ", count: count % 9)
            let body = "\(space){\(space)\"a\"\(space):\(space)[\(space)]\(space),\(space)\"b\":{\(space)}}\(space)"
            #expect(try text(Array(body.utf8)) == Array(#"{"a":[],"b":{}}"#.utf8))
        }
    }

    @Test("is refused at the same byte wherever that falls", arguments: 0...40)
    func refused(count: Int) {
        let filled = String(repeating: "x", count: count)
        let place = count + 6
        func error(_ rest: String) -> BodyError? {
            do throws(BodyError) {
                _ = try CanonicalBody(Array(#"{"a":"\#(filled)\#(rest)"#.utf8))
                return nil
            } catch {
                return error
            }
        }
        #expect(error("\u{1}\"}") == .controlCharacter(at: place))
        #expect(error("\n and more text behind it\"}") == .controlCharacter(at: place))
        #expect(error("\\ud800\"}") == .loneSurrogate(at: place))
        #expect(error("\\x\"}") == .unexpected("unknown escape", at: place))
        #expect(error("") == .unexpected("the string has no end", at: 5))
        #expect(error("\\") == .unexpected("unknown escape", at: place))
        #expect(error("\\u12") == .unexpected("expected four hex digits", at: place + 2))
    }

    @Test("says at which byte UTF-8 ends to be valid, before anything else that is wrong", arguments: 0...20)
    func invalidUTF8(count: Int) {
        let start = Array(#"{"a":"b","a":"\#(String(repeating: "x", count: count))"#.utf8)
        for bytes in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE8, 0x8C], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]] {
            #expect(throws: BodyError.invalidUTF8(at: start.count)) { try CanonicalBody(start + bytes + [0x22, 0x7D]) }
        }
    }
}

@Suite("Memory that reads one body after the other")
struct CanonicaliserTests {
    @Test("gives the keys that fresh memory gives, whatever was read before")
    func reuse() throws {
        var bodies = RandomBody(seed: 300)
        var kept = Canonicaliser()
        let routes = RouteTable(routes: [Route(upstreams: ["a"], ignored: ["user", "a\""])])
        for round in 0..<600 {
            var bytes = Array(bodies.spelled(bodies.body()).utf8)
            if round % 3 == 0 { bytes.removeLast(bodies.below(bytes.count)) }
            if round % 50 == 0 { bytes = Self.large(bytes) }
            let arrival = Request.Arrival(kind: .chat, body: bytes)
            func key(_ canonicaliser: inout Canonicaliser) -> Result<RequestKey, RequestError> {
                do throws(RequestError) {
                    return .success(try Request(arrival, routes: routes, with: &canonicaliser).key)
                } catch {
                    return .failure(error)
                }
            }
            var fresh = Canonicaliser()
            #expect(key(&kept) == key(&fresh))
        }
    }

    /// A body of some hundred KiB whose members all stand in the wrong order.
    private static func large(_ bytes: [UInt8]) -> [UInt8] {
        let text = String(repeating: "tea and cake\\n", count: 40_000)
        return Array("{\"z\":\"\(text)\",\"messages\":[{\"role\":\"user\",\"content\":\"\(text)\"}],\"a\":".utf8)
            + bytes
            + [UInt8(ascii: "}")]
    }

    @Test("is read in linear time, however the members of its objects stand")
    func manyMembers() throws {
        let names = (0..<20_000).map { "m\($0 * 7_919 % 20_000)" }
        let members = names.map { "\"\($0)\":1" }.joined(separator: ",")
        let sorted = names.sorted { Array("\($0)\"".utf8).lexicographicallyPrecedes(Array("\($1)\"".utf8)) }
        let body = Array("{\"messages\":[{\(members)}]}".utf8)
        let expected = "{\"messages\":[{\(sorted.map { "\"\($0)\":1" }.joined(separator: ","))}]}"
        #expect(try text(body) == Array(expected.utf8))
    }
}

@Suite("A key's bytes")
struct KeyBytesTests {
    private func key(_ arrival: Request.Arrival, credential: Route.Credential) throws -> String {
        try Request(arrival, routes: RouteTable(routes: [Route(upstreams: ["a"], credential: credential)])).key
            .hexadecimal
    }

    // Computed apart from this code: SHA-256 over each part behind its length in eight bytes, big endian.
    @Test("are what they were: an entry that a pod of another version stored is found")
    func pinned() throws {
        var arrival = Request.Arrival(kind: .chat, body: Array(#"{"model":"m","messages":[]}"#.utf8))
        #expect(
            try key(arrival, credential: .configured)
                == "bffd94276ffbe692b63849636772c847fb6b3fa25ceda11fab54b8e9bf7abaa0")
        arrival.kind = .completions
        #expect(
            try key(arrival, credential: .callers) == "bbbbbe3033d98c80e58dcdc28afa9aaa82b9e11394fd317d11147e0b501b19b4"
        )
        arrival.kind = .chat
        arrival.authorization = Secret("Bearer one")
        arrival.headers["openai-organization"] = "o"
        arrival.headers["anthropic-beta"] = ""
        arrival.controls.namespace = "n"
        #expect(
            try key(arrival, credential: .callers) == "3e97b86f8358d784dfe9dd46e907a89c627e9d9af33b987dec8b5e60bb8e39f3"
        )
    }
}
