import Testing

@testable import provider

@Suite("reading JSON")
struct JSONReaderTests {
    @Test("every kind of value is read")
    func everyKind() throws {
        let value = try JSONReader.read(Array(#" {"a":[1,-2.5e3,true,false,null],"b":"x"} "#.utf8))

        #expect(value["a"] == .array([.number(1), .number(-2500), .bool(true), .bool(false), .null]))
        #expect(value["b"] == .string("x"))
        #expect(value["c"] == nil)
    }

    @Test("of a member named twice the last counts")
    func lastMember() throws {
        let value = try JSONReader.read(Array(#"{"model":"a","model":"b"}"#.utf8))

        #expect(value["model"] == .string("b"))
    }

    @Test(
        "escapes are undone, and half of a surrogate pair becomes U+FFFD",
        arguments: [
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
            (#""\u00e9 \ud83d\ude00""#, "é 😀"),
            (#""\ud83dx""#, "\u{FFFD}x"),
            (#""\ude00""#, "\u{FFFD}"),
            (#""\ud83d\u0041""#, "\u{FFFD}A"),
            (#""""#, ""),
        ])
    func escapes(text: String, meaning: String) throws {
        #expect(try JSONReader.read(Array(text.utf8)) == .string(meaning))
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", "{", "{x", "[1,]", #"{"a":1,}"#, "01", "+1", "1.", "nul", "tru", #""a"#, "\"\n\"", #""\x""#,
            #""\u12g4""#, "{} {}", "NaN",
        ])
    func refused(text: String) {
        #expect(throws: JSONFault.self) { try JSONReader.read(Array(text.utf8)) }
    }

    @Test("bytes that are not UTF-8 are refused by their place")
    func notUTF8() {
        #expect(throws: JSONFault.notUTF8(at: 1)) { try JSONReader.read([0x22, 0xFF, 0x22]) }
    }

    @Test("nesting is read to a depth of 128 and no further")
    func depth() throws {
        let deepest = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)

        #expect(throws: Never.self) { try JSONReader.read(Array(deepest.utf8)) }
        #expect(throws: JSONFault.tooDeep) { try JSONReader.read(Array("[\(deepest)]".utf8)) }
    }

    @Test("what is written is read back the same")
    func roundTrip() throws {
        let value = JSON.object([
            JSON.Member(name: "q\"\\", value: .string("line\nbell\u{7}tab\té😀")),
            JSON.Member(name: "n", value: .array([.number(0.25), .number(-3), .null, .bool(true)])),
        ])
        var writer = JSONWriter()
        writer.value(value)

        #expect(try JSONReader.read(Array(writer.bytes.readableBytesView)) == value)
    }
}
