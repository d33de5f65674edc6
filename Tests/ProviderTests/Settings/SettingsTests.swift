import ArgumentParser
import Testing

@testable import provider

@Suite("settings, by flag and at run time")
struct SettingsTests {
    private func changes(_ text: String) throws -> [JSON.Member] {
        guard case .object(let members) = try JSONReader.read(Array(text.utf8)) else { return [] }
        return members
    }

    private func refusal(_ text: String) throws -> SettingRefusal? {
        let changes = try changes(text)
        var settings = Settings()
        do throws(SettingRefusal) {
            try settings.apply(changes)
            return nil
        } catch {
            return error
        }
    }

    @Test("what is shown can be sent back, and changes nothing")
    func roundTrip() throws {
        let settings = Scene.settings {
            $0.tokens = 9
            $0.errorRate = 0.5
            $0.crlf = true
            $0.bodyOverride = "<html>\n"
        }
        guard case .object(let shown) = settings.json else { return }
        var copy = Settings()

        try copy.apply(shown)

        #expect(copy == settings)
    }

    @Test("null puts a setting back to its default")
    func null() throws {
        var settings = Scene.settings {
            $0.keepAliveMs = 5
            $0.tokens = 9
            $0.crlf = true
            $0.errorRate = 1
        }

        try settings.apply(changes(#"{"keep_alive_ms":null,"tokens":null,"crlf":null,"error_rate":null}"#))

        #expect(settings == Settings())
    }

    @Test("an unknown name and a value out of range are refused by name")
    func refused() throws {
        #expect(try refusal(#"{"tokenz":1}"#) == .unknown(name: "tokenz"))
        #expect(try refusal(#"{"error_rate":1.5}"#) == .outOfRange(name: "error_rate", range: "a number from 0 to 1"))
        #expect(
            try refusal(#"{"first_token_ms":0.5}"#)
                == .outOfRange(name: "first_token_ms", range: "a whole number from 0 to 3600000"))
        #expect(try refusal(#"{"crlf":1}"#) == .outOfRange(name: "crlf", range: "true or false"))
        #expect(try refusal(#"{"redirect_to":"http://x\r\nevil: 1"}"#) != nil)
    }

    @Test("one refused, none made")
    func allOrNothing() throws {
        var settings = Settings()
        let changes = try changes(#"{"tokens":5,"error_rate":7}"#)

        #expect(throws: SettingRefusal.self) { try settings.apply(changes) }
        #expect(settings == Settings())
    }

    @Test("every setting has a flag of its name", arguments: Setting.all.map(\.name))
    func flags(name: String) throws {
        let flag = "--" + name.replacing("_", with: "-")
        // Each takes a value that one of these is, or none.
        let parsed = [[flag], [flag, "1"], [flag, "500"], [flag, "x"]].lazy.compactMap { arguments in
            try? Flags.parse(arguments)
        }.first
        let given = try #require(parsed?.given)

        #expect(given.map(\.name) == [name])
    }

    @Test("a flag out of range is refused by its own name")
    func flagRange() throws {
        let flags = try Flags.parse(["--error-rate", "2"])

        let message = #expect(throws: ValidationError.self) { try flags.settings() }?.message

        #expect(message == "--error-rate takes a number from 0 to 1.")
    }

    @Test("flags set what they say")
    func flagsApplied() throws {
        let flags = try Flags.parse(["--first-token-ms", "300", "--no-done", "--error-under-200", "--tokens", "5"])

        let settings = try flags.settings()

        #expect(
            settings
                == Scene.settings {
                    $0.firstTokenMs = 300
                    $0.noDone = true
                    $0.errorUnder200 = true
                    $0.tokens = 5
                })
    }
}
