import SamovarCore
import SamovarWire
import Testing

@testable import SamovarClient

@Suite("A client's settings")
struct SettingsTests {
    @Test(
        "addresses are read as they are written",
        arguments: [
            ("127.0.0.1:7601", SamovarClient.Address.tcp(host: "127.0.0.1", port: 7_601)),
            ("[::1]:7601", .tcp(host: "::1", port: 7_601)), ("localhost:1", .tcp(host: "localhost", port: 1)),
            ("unix:/run/s.sock", .unix(path: "/run/s.sock")),
        ])
    func addresses(text: String, address: SamovarClient.Address) throws {
        #expect(try SamovarClient.Address(text) == address)
        #expect(address.description == text)
    }

    @Test(
        "what is no address is refused",
        arguments: ["", "host", "host:", ":7601", "host:0", "host:65536", "::1:7601", "unix:", "unix:relative", "a:b"])
    func noAddress(text: String) {
        #expect(throws: SamovarClient.Failure.self) { try SamovarClient.Address(text) }
    }

    @Test("a credential that could end a header is refused, and never shown")
    func credentials() throws {
        var settings = SamovarClient.Settings()
        settings.authorization = SamovarClient.Secret("Bearer a\r\nx: y")
        let refused = #expect(throws: SamovarClient.Failure.self) { try settings.hello() }
        settings.authorization = SamovarClient.Secret("Bearer key")
        settings.adminToken = SamovarClient.Secret("admin")

        let hello = try settings.hello()

        #expect(refused?.description.contains("Bearer") == false)
        #expect(hello.metadata.text(.authorization) == "Bearer key")
        #expect(hello.metadata.text(.adminToken) == "admin")
        #expect("\(settings)".contains("key") == false)
    }

    @Test("options become the question's")
    func options() throws {
        var options = SamovarClient.Options(kind: .embeddings)
        options.maxAge = .seconds(60)
        options.maxStale = .seconds(1 << 40)
        options.noCache = true
        options.headers = ["OpenAI-Organization": "org", "x-other": "no"]

        let ask = try options.ask(events: true)

        #expect(ask.kind == .embeddings)
        #expect(ask.options == [.noCache, .hasMaxAge, .hasMaxStale, .events])
        #expect(ask.maxAge == 60)
        #expect(ask.maxStale == .max)
        #expect(ask.metadata.fields == [.openAIOrganization])
    }

    @Test("a digest goes first for large bodies only, unless the request says so, and never where it cannot help")
    func digestFirst() {
        let settings = SamovarClient.Settings()
        var options = SamovarClient.Options()
        let small = options.asksDigestFirst(16_383, settings)
        let large = options.asksDigestFirst(16_384, settings)
        options.digestFirst = true
        let wanted = options.asksDigestFirst(1, settings)
        options.noCache = true
        let useless = options.asksDigestFirst(1, settings)

        #expect(!small)
        #expect(large)
        #expect(wanted)
        #expect(!useless)
        #expect(!SamovarClient.Options(kind: .models).asksDigestFirst(1 << 20, settings))
    }

    @Test("an error's code says whether to ask again, the sidecar's and the client's alike")
    func codes() {
        #expect(SamovarClient.Failure(.connectionLost, "").isRetryable)
        #expect(!SamovarClient.Failure(.deadline, "").isRetryable)
        #expect(SamovarClient.Failure(.deadline, "").status == 504)
        #expect(SamovarClient.Failure(ErrorFrame(.deadline, message: "")).code == .deadline)
        #expect(SamovarClient.Failure(.cancelled, "").status == 499)
    }
}
