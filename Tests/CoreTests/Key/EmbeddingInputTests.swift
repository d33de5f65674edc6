import SamovarCore
import Testing

@Suite("The one input of an embeddings request")
struct EmbeddingInputTests {
    private func input(_ body: String) throws -> EmbeddingInput? {
        EmbeddingInput(of: try CanonicalBody(Array(body.utf8)))
    }

    private func text(_ body: String) throws -> String? {
        try input(body).map { String(decoding: Array(body.utf8)[$0.text], as: UTF8.self) }
    }

    @Test(
        "is a text, or an array of one, as it was spelled",
        arguments: [
            (#"{"model":"m","input":"a"}"#, #""a""#), (#"{"input" : [ "a\u00e9\"]" ] ,"model":"m"}"#, #""a\u00e9\"]""#),
            (#"{"inp\u0075t":["é"]}"#, #""é""#),
        ])
    func single(body: String, expected: String) throws {
        #expect(try text(body) == expected)
    }

    @Test(
        "is none where there are several, or where it is no text that a provider can name",
        arguments: [
            #"{"model":"m"}"#, #"{"input":["a","b"]}"#, #"{"input":[]}"#, #"{"input":[1,2]}"#, #"{"input":[[1,2]]}"#,
            #"{"input":1}"#, #"{"input":null}"#, #"{"input":{"text":"a"}}"#, #"{"input":""}"#, #"{"input":[""]}"#,
        ])
    func none(body: String) throws {
        #expect(try input(body) == nil)
    }

    @Test("says whether it was spelled as an array")
    func array() throws {
        #expect(try input(#"{"input":["a"]}"#)?.isArray == true)
        #expect(try input(#"{"input":"a"}"#)?.isArray == false)
    }

    @Test(
        "leaves the same rest where all other members are the same, canonically",
        arguments: [
            (#"{"model":"m","input":"a"}"#, #"{ "input":["b"], "model":"\u006d" }"#, true),
            (#"{"model":"m","input":"a","dimensions":8}"#, #"{"dimensions":8.0,"model":"m","input":"b"}"#, true),
            (#"{"model":"m","input":"a"}"#, #"{"model":"n","input":"a"}"#, false),
            (#"{"model":"m","input":"a"}"#, #"{"model":"m","input":"a","user":"u"}"#, false),
            (#"{"model":"m","input":"a"}"#, #"{"model":"m","input":"a","stream":false}"#, false),
            (#"{"model":"m","input":"a"}"#, #"{"model":"m","input":"a","cache":{"ttl":1}}"#, false),
            (#"{"input":"a","encoding_format":"float"}"#, #"{"input":"a","encoding_format":"base64"}"#, false),
        ])
    func rest(left: String, right: String, isSame: Bool) throws {
        let (left, right) = (try input(left), try input(right))
        #expect((try #require(left).rest == #require(right).rest) == isSame)
    }
}
