import Testing

@testable import samovar

@Suite("The port that is put under load")
struct BenchTargetTests {
    @Test(
        "is this machine's by its spelling",
        arguments: [
            "127.0.0.1:7600", "127.8.9.1:1", "localhost:7600", "LOCALHOST:7600", "[::1]:7600", "unix:/run/s.sock",
        ])
    func here(text: String) throws {
        #expect(try BenchTarget(.http, text).isOnThisMachine)
    }

    @Test(
        "is another machine's, or may be",
        arguments: ["10.0.0.1:7600", "example.com:80", "[fe80::1]:7600", "0.0.0.0:7600", "localhost.example.com:80"])
    func there(text: String) throws {
        #expect(try !BenchTarget(.binary, text).isOnThisMachine)
    }

    @Test(
        "is none",
        arguments: [
            "", "7600", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "unix:", "http://127.0.0.1:7600", "a b:1",
            "unix:/\(String(repeating: "x", count: 200))",
        ])
    func none(text: String) {
        #expect(throws: CommandFailure.self) { try BenchTarget(.http, text) }
    }
}
