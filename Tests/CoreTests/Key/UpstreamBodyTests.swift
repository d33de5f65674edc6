import SamovarCore
import Testing

private func sent(_ body: String, stream: Bool? = nil, includeUsage: Bool = false) throws -> String {
    let canonical = try CanonicalBody(Array(body.utf8))
    return String(
        decoding: UpstreamBody(stream: stream, includeUsage: includeUsage).bytes(of: canonical), as: UTF8.self)
}

@Suite("What an upstream is sent")
struct UpstreamBodyTests {
    @Test("is the caller's own bytes where nothing of ours is in them")
    func untouched() throws {
        let body = "{ \"model\" : \"m\",\n \"x\":1.0, \"messages\":[ ] }"
        #expect(try sent(body) == body)
    }

    @Test("names another model where one is to be asked, and is otherwise the caller's own bytes")
    func otherModel() throws {
        func sent(_ body: String) throws -> String {
            let canonical = try CanonicalBody(Array(body.utf8))
            let edit = UpstreamBody(stream: nil, includeUsage: false, model: "m\"2")
            return String(decoding: edit.bytes(of: canonical), as: UTF8.self)
        }
        #expect(try sent(#"{ "a":1.0, "model" : "m" ,"b":[] }"#) == #"{ "a":1.0, "model" : "m\"2" ,"b":[] }"#)
        #expect(try sent(#"{"cache":{},"model":"m"}"#) == #"{"model":"m\"2"}"#)
        #expect(try sent(#"{"a":1}"#) == #"{"a":1,"model":"m\"2"}"#)
    }

    @Test(
        "is less our own member, wherever it stands",
        arguments: [
            (#"{"cache":{"ttl":1},"a":1, "b":2}"#, #"{"a":1, "b":2}"#),
            (#"{"a":1, "cache":{},"b":2}"#, #"{"a":1,"b":2}"#),
            (#"{"a":1, "b":2 , "cache":{"no-store":true} }"#, #"{"a":1, "b":2 }"#),
            (#"{"cache":{}}"#, #"{}"#),
        ])
    func lessOurs(body: String, expected: String) throws {
        #expect(try sent(body) == expected)
    }

    @Test(
        "asks for usage without touching anything else",
        arguments: [
            (#"{"stream":true,"a":1}"#, #"{"stream":true,"a":1,"stream_options":{"include_usage":true}}"#),
            (
                #"{"stream_options":{"include_obfuscation":false},"stream":true}"#,
                #"{"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true}"#
            ),
            (#"{"stream":true,"stream_options":null}"#, #"{"stream":true,"stream_options":{"include_usage":true}}"#),
            (
                #"{"stream":true,"stream_options":{"include_usage":false}}"#,
                #"{"stream":true,"stream_options":{"include_usage":true}}"#
            ),
        ])
    func asksForUsage(body: String, expected: String) throws {
        #expect(try sent(body, includeUsage: true) == expected)
    }

    @Test("asks for the other form, and drops stream_options where no stream is asked for")
    func otherForm() throws {
        #expect(
            try sent(#"{"a":1}"#, stream: true, includeUsage: true)
                == #"{"a":1,"stream":true,"stream_options":{"include_usage":true}}"#)
        #expect(try sent(#"{"a":1,"stream":false}"#, stream: true) == #"{"a":1,"stream":true}"#)
        #expect(
            try sent(#"{"stream":true,"stream_options":{"include_usage":true},"a":1}"#, stream: false)
                == #"{"stream":false,"a":1}"#)
    }
}
