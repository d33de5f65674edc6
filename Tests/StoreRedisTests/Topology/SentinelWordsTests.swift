import Testing

@testable import SamovarStoreRedis

@Suite("Sentinel words")
struct SentinelWordsTests {
    private let words = SentinelWords(service: "main")

    private func bulk(_ text: String) -> RESPValue { .bulk(Array(text.utf8)) }

    @Test("an address is read from a sentinel's answer")
    func address() {
        #expect(
            words.address(.array([bulk("10.0.0.1"), bulk("6379")]), askedAt: "s") == .tcp(host: "10.0.0.1", port: 6_379)
        )
    }

    @Test("an unknown service, or nonsense, is no address")
    func none() {
        let answers: [RESPValue] = [
            .null, .array([]), .array([bulk("h")]), .array([bulk("h"), bulk("x")]), .array([bulk("h"), bulk("0")]),
            .array([bulk("h"), bulk("65536")]), .array([bulk(""), bulk("1")]), .array([bulk("a b"), bulk("1")]),
            .array([bulk("h"), .integer(1)]), .error(ServerError(code: "IDONTKNOW")), bulk("h"),
        ]
        for answer in answers { #expect(words.address(answer, askedAt: "s") == nil) }
    }

    @Test("of what sentinels tell, only a failover of our service concerns us")
    func concern() {
        #expect(words.concern(bulk("main 127.0.0.1 1 127.0.0.1 2")))
        for message in ["other 127.0.0.1 1 127.0.0.1 2", "main", "mainx 127.0.0.1 1 127.0.0.1 2", ""] {
            #expect(!words.concern(bulk(message)))
        }
        #expect(!words.concern(.null))
    }
}
