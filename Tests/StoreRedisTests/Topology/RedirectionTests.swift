import Testing

@testable import SamovarStoreRedis

@Suite("Redirection")
struct RedirectionTests {
    @Test("an error line that sends us on says where")
    func read() throws {
        let moved = try #require(ServerError(line: Array("MOVED 3999 10.0.0.1:6381".utf8)).redirection)
        #expect(moved.kind == .moved && moved.slot.number == 3_999 && moved.host == "10.0.0.1" && moved.port == 6_381)
        let ask = try #require(ServerError(line: Array("ASK 0 redis-2.example:6379".utf8)).redirection)
        #expect(ask.kind == .ask && ask.slot.number == 0 && ask.host == "redis-2.example" && ask.port == 6_379)
        let ipv6 = try #require(ServerError(line: Array("MOVED 1 2001:db8::1:6381".utf8)).redirection)
        #expect(ipv6.host == "2001:db8::1" && ipv6.port == 6_381)
        let own = try #require(ServerError(line: Array("MOVED 1 :6381".utf8)).redirection)
        #expect(own.host.isEmpty && own.port == 6_381)
    }

    @Test(
        "a line that sends nowhere is an error like others",
        arguments: [
            "MOVED", "MOVED 1", "MOVED x h:1", "MOVED 16384 h:1", "MOVED -1 h:1", "MOVED 1 h", "MOVED 1 h:",
            "MOVED 1 h:p",
            "MOVED 1 h:1 more", "ASK  1 h:1", "MOVEDX 1 h:1", "ERR 1 h:1",
            "MOVED 1 \(String(repeating: "h", count: 512)):1",
        ])
    func malformed(line: String) {
        #expect(ServerError(line: Array(line.utf8)).redirection == nil)
    }
}
