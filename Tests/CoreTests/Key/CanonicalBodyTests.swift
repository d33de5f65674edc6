import SamovarCore
import TestSupport
import Testing

/// The canonical text of a body; fails the test where the body is refused.
private func canonical(_ body: String, ignoring ignored: Set<String> = []) throws -> String {
    String(decoding: try CanonicalBody(Array(body.utf8)).canonicalText(ignoring: ignored), as: UTF8.self)
}

@Suite("A canonical body")
struct CanonicalBodyTests {
    @Test("sorts the members of the tool calls that messages tell of")
    func sortsToolCalls() throws {
        #expect(
            try canonical(
                #"{"messages":[{"tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}]}"#)
                == #"{"messages":[{"tool_calls":[{"function":{"arguments":"{}","name":"f"},"type":"function"}]}]}"#)
    }

    @Test("sorts the members of the top object, of messages and of content parts")
    func sorts() throws {
        #expect(
            try canonical(
                #"{ "model":"m", "messages":[ {"role":"user","content":[{"type":"text","text":"hi"}]} ] }"#)
                == #"{"messages":[{"content":[{"text":"hi","type":"text"}],"role":"user"}],"model":"m"}"#)
    }

    @Test(
        "keeps the order of members everywhere else",
        arguments: [
            #"{"tools":[{"type":"function","function":{"name":"f","b":1,"a":2}}]}"#,
            #"{"functions":[{"z":1,"a":2}]}"#,
            #"{"response_format":{"type":"json_schema","json_schema":{"z":{},"a":{}}}}"#,
            #"{"tool_choice":{"type":"function","function":{"name":"f"}}}"#,
            #"{"unknown":{"z":1,"a":{"y":1,"b":2}}}"#,
            #"{"messages":[{"content":[{"image_url":{"url":"u","detail":"low"},"type":"image_url"}]}]}"#,
            #"{"messages":[{"metadata":{"z":1,"a":2}}]}"#,
        ])
    func keepsOrder(body: String) throws {
        #expect(try canonical(body) == body)
    }

    @Test(
        "compares numbers of the top object by their exact decimal value",
        arguments: [
            ("1", "1"), ("1.0", "1"), ("10e-1", "1"), ("1e0", "1"), ("0.10", "1e-1"), ("100", "1e2"), ("1E+2", "1e2"),
            ("-0", "0"), ("0.000", "0"), ("-1.50", "-15e-1"), ("9007199254740992", "9007199254740992"),
            ("9007199254740993", "9007199254740993"), ("0.1000000000000000055", "1000000000000000055e-19"),
            ("1e-400", "1e-400"), ("123456789012345678901234567890", "12345678901234567890123456789e1"),
        ])
    func numbers(spelled: String, expected: String) throws {
        #expect(try canonical(#"{"x":\#(spelled)}"#) == #"{"x":\#(expected)}"#)
    }

    @Test("compares all other numbers by their spelling")
    func nestedNumbers() throws {
        #expect(try canonical(#"{"x":[1.0,1,10e-1],"y":{"z":1.0}}"#) == #"{"x":[1.0,1,10e-1],"y":{"z":1.0}}"#)
    }

    @Test(
        "compares strings by code points",
        arguments: [
            (#"\u00e9"#, "é"), (#"\u0041"#, "A"), (#"\/"#, "/"), (#"\ud83d\ude00"#, "😀"), (#"\n"#, #"\u000a"#),
            (#"\""#, #"\""#), (#"\u005c"#, #"\\"#), (#"\u0022"#, #"\""#), (#"\u001f"#, #"\u001f"#),
        ])
    func strings(spelled: String, expected: String) throws {
        #expect(try canonical(#"{"x":"\#(spelled)"}"#) == #"{"x":"\#(expected)"}"#)
    }

    @Test("does not normalise Unicode, and does not look into JSON held in a string")
    func leavesText() throws {
        // Compared as bytes: Swift's own == takes the two for one.
        #expect(
            try Array(canonical("{\"x\":\"e\u{301}\"}").utf8) != Array(canonical("{\"x\":\"\u{e9}\"}").utf8))
        #expect(try canonical(#"{"x":"{ \"b\": 1 }"}"#) == #"{"x":"{ \"b\": 1 }"}"#)
    }

    @Test("leaves out how the answer is delivered, what is meant for us, and what the route ignores")
    func leavesOut() throws {
        let body = #"{"stream":true,"a":1,"stream_options":{"include_usage":true},"cache":{"ttl":1},"user":"u"}"#
        #expect(try canonical(body) == #"{"a":1,"user":"u"}"#)
        #expect(try canonical(body, ignoring: ["user"]) == #"{"a":1}"#)
    }

    @Test(
        "refuses what two readers may understand differently, and says where",
        arguments: [
            (#"{"a":1,"a":2}"#, BodyError.duplicateMember(at: 7)),
            (#"{"a":1,"\u0061":2}"#, .duplicateMember(at: 7)),
            (#"{"x":{"b":1,"b":1}}"#, .duplicateMember(at: 12)),
            (#"{"x":"\ud800"}"#, .loneSurrogate(at: 6)),
            (#"{"x":"\udc00"}"#, .loneSurrogate(at: 6)),
            (#"{"x":"\ud800\u0041"}"#, .loneSurrogate(at: 6)),
            (#"{"x":1e400}"#, .nonFiniteNumber(at: 5)),
            (#"{"x":[-1.8e308]}"#, .nonFiniteNumber(at: 6)),
            (#"{"x":1e99999999999}"#, .nonFiniteNumber(at: 5)),
            (#"{"x":100000000000000001e300}"#, .nonFiniteNumber(at: 5)),
            (#"{"x":0.000100000000000001e313}"#, .nonFiniteNumber(at: 5)),
            (#"{"x":1.7976931348623159e308}"#, .nonFiniteNumber(at: 5)),
            ("{\"x\":\"a\nb\"}", .controlCharacter(at: 7)),
        ])
    func refuses(body: String, expected: BodyError) {
        #expect(throws: expected) { try CanonicalBody(Array(body.utf8)) }
    }

    @Test(
        "refuses what is no JSON object",
        arguments: [
            "", " ", "[]", "1", "null", "{", "{}x", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{a:1}"#, #"{'a':1}"#,
            #"{"a":01}"#, #"{"a":+1}"#, #"{"a":.5}"#, #"{"a":1.}"#, #"{"a":1e}"#, #"{"a":NaN}"#, #"{"a":Infinity}"#,
            #"{"a":tru}"#, #"{"a":"x}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, #"{"a":[1,]}"#, #"{"a":[1 2]}"#, "{}{}",
            #"{"a":1/*c*/}"#,
        ])
    func refusesNoJSON(body: String) {
        #expect(throws: BodyError.self) { try CanonicalBody(Array(body.utf8)) }
    }

    @Test(
        "takes numbers up to the largest double, however they are spelled",
        arguments: [
            "1.7976931348623157e308", "100000000000000001e291", "0.000100000000000001e312", "1e-99999999999",
            "0e99999999999", "17976931348623157" + String(repeating: "0", count: 292),
        ])
    func finite(spelled: String) throws {
        #expect(try canonical(#"{"x":[\#(spelled)]}"#) == #"{"x":[\#(spelled)]}"#)
    }

    @Test("refuses invalid UTF-8 and says at which byte")
    func invalidUTF8() {
        #expect(throws: BodyError.invalidUTF8(at: 6)) {
            try CanonicalBody(Array(#"{"a":""#.utf8) + [0xFF, 0x22, 0x7D])
        }
        #expect(throws: BodyError.self) { try CanonicalBody(Array(#"{"a":""#.utf8) + [0xC0, 0x80, 0x22, 0x7D]) }
        #expect(throws: BodyError.self) { try CanonicalBody(Array(#"{"a":""#.utf8) + [0xED, 0xA0, 0x80, 0x22, 0x7D]) }
    }

    @Test("takes 64 levels and refuses the 65th, at no great cost for 100,000")
    func depth() throws {
        func nested(_ levels: Int) -> [UInt8] {
            Array("{\"a\":".utf8) + Array(repeating: UInt8(ascii: "["), count: levels - 1)
                + Array(repeating: UInt8(ascii: "]"), count: levels - 1) + [UInt8(ascii: "}")]
        }
        _ = try CanonicalBody(nested(64))
        #expect(throws: BodyError.self) { try CanonicalBody(nested(65)) }
        #expect(throws: BodyError.self) { try CanonicalBody(nested(100_000)) }
    }

    @Test("finds a member named twice among thousands")
    func manyMembers() throws {
        let members = (0..<5_000).map { #""m\#($0)":\#($0)"# }
        _ = try CanonicalBody(Array("{\(members.joined(separator: ","))}".utf8))
        let twice = members + [#""m17":0"#]
        #expect(throws: BodyError.self) { try CanonicalBody(Array("{\(twice.joined(separator: ","))}".utf8)) }
    }
}

@Suite("A key, over random bodies")
struct KeyPropertyTests {
    /// A body of random members, in the order of `order`.
    private static func body(_ members: [(String, String)]) -> [UInt8] {
        Array("{\(members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ", "))}".utf8)
    }

    private static func members(_ random: inout SeededGenerator) -> [(String, String)] {
        let roles = ["user", "system", "assistant"]
        let messages = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            #"{"role":"\#(roles.randomElement(using: &random)!)","content":"text \#(UInt32.random(in: 0 ... .max, using: &random))"}"#
        }
        var members = [
            ("model", #""m\#(Int.random(in: 0...9, using: &random))""#),
            ("messages", "[\(messages.joined(separator: ","))]"),
            ("temperature", "\(Int.random(in: 1...20, using: &random))e-1"),
            ("seed", "\(Int.random(in: 1...99, using: &random))"),
            ("n", "\(Int.random(in: 1...4, using: &random))"),
            ("user", #""u\#(Int.random(in: 0...9, using: &random))""#),
            ("tools", #"[{"type":"function","function":{"name":"f\#(Int.random(in: 0...9, using: &random))"}}]"#),
            ("response_format", #"{"type":"json_object","x":\#(Int.random(in: 0...9, using: &random))}"#),
            ("unknown_\(Int.random(in: 0...9, using: &random))", #"{"a":[1,2,{"b":null}]}"#),
        ]
        members.shuffle(using: &random)
        return Array(members.prefix(Int.random(in: 2...members.count, using: &random)))
    }

    @Test("another order of the top object's members is the same request")
    func orderIsNothing() throws {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<500 {
            let members = Self.members(&random)
            let one = try CanonicalBody(Self.body(members)).digest()
            let other = try CanonicalBody(Self.body(members.shuffled(using: &random))).digest()
            #expect(one == other)
        }
    }

    @Test("any one member changed, added or left out is another request")
    func everyMemberCounts() throws {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<500 {
            var members = Self.members(&random)
            let before = try CanonicalBody(Self.body(members)).digest()
            let place = Int.random(in: 0..<members.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: members[place].1 = #""changed \#(UInt64.random(in: 0 ... .max, using: &random))""#
            case 1: members.remove(at: place)
            default: members.append(("added", "true"))
            }
            let after = try CanonicalBody(Self.body(members)).digest()
            #expect(before != after)
        }
    }

    @Test("a member that is left out by rule can be anything")
    func leftOutIsNothing() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<200 {
            let members = Self.members(&random)
            let before = try CanonicalBody(Self.body(members)).digest()
            let delivery = [
                ("stream", "true"), ("stream_options", #"{"include_usage":true}"#), ("cache", #"{"ttl":5}"#),
            ]
            let added = members + [delivery.randomElement(using: &random)!]
            #expect(try CanonicalBody(Self.body(added)).digest() == before)
        }
    }

    @Test("another member order inside tools or response_format is another request")
    func schemaOrderCounts() throws {
        func digest(_ body: String) throws -> BodyDigest { try CanonicalBody(Array(body.utf8)).digest() }
        #expect(try digest(#"{"tools":[{"a":1,"b":2}]}"#) != digest(#"{"tools":[{"b":2,"a":1}]}"#))
        #expect(try digest(#"{"response_format":{"a":1,"b":2}}"#) != digest(#"{"response_format":{"b":2,"a":1}}"#))
    }

    @Test("numbers that a double cannot tell apart are different requests")
    func neighbours() throws {
        func digest(_ seed: String) throws -> BodyDigest {
            try CanonicalBody(Array(#"{"seed":\#(seed)}"#.utf8)).digest()
        }
        #expect(try digest("9007199254740992") != digest("9007199254740993"))
        #expect(try digest("1") == digest("1.0"))
    }
}

@Suite("Recorded chat requests", .enabled(if: TestData.isPresent, Comment(rawValue: TestData.absence)))
struct RecordedRequestTests {
    @Test("the 367 recorded chat requests have 104 keys")
    func counts() throws {
        var raw: Set<String> = []
        var keys: Set<String> = []
        var count = 0
        for exchange in try TestData.objects("wire/recorded-chat.jsonl.xz") {
            guard exchange["endpoint"] as? String == "chat/completions", let request = exchange["request"] as? String,
                let uri = exchange["uri"] as? String
            else { continue }
            count += 1
            let host = String(uri.split(separator: "/")[1])
            let body = try CanonicalBody(Array(request.utf8))
            raw.insert(host + request)
            keys.insert(host + body.digest().bytes.hexadecimal)
        }
        #expect(count == 367)
        #expect(raw.count == 139)
        #expect(keys.count == 104)
    }
}
