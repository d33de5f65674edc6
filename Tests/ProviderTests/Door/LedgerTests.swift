import NIOCore
import Testing

@testable import provider

@Suite("what was asked, counted")
struct LedgerTests {
    @Test("calls, prompts, keys, headers and the last body are told")
    func told() {
        var ledger = Ledger()
        var alice = Visit(authorization: "cc9b1550", digests: [Scene.digest], headerNames: ["Host", "host", "Accept"])
        alice.body = ByteBuffer(string: "{}")

        ledger.called(by: alice)
        ledger.called(by: alice)
        ledger.called(by: Visit())
        ledger.answered(status: 200)
        ledger.answered(status: 429)

        let json = ledger.json
        #expect(json["calls"] == .number(3))
        #expect(json["by_prompt"]?[Scene.digest.hex] == .number(2))
        #expect(json["authorizations"]?["cc9b1550"] == .number(2))
        #expect(json["authorizations"]?["none"] == .number(1))
        #expect(json["headers_seen"] == .array([.string("accept"), .string("host")]))
        #expect(json["last_body"] == .string("{}"))
        #expect(json["by_status"]?["429"] == .number(1))
    }

    @Test("the most at once is remembered")
    func concurrentMax() {
        var ledger = Ledger()

        ledger.began(isStream: true)
        ledger.began(isStream: false)
        ledger.ended(cancelled: false)
        ledger.began(isStream: false)

        #expect(ledger.concurrent == 2)
        #expect(ledger.concurrentMax == 2)
        #expect(ledger.streamCount == 1)
    }

    @Test("a reset forgets all but who is still being answered")
    func reset() {
        var ledger = Ledger()
        ledger.called(by: Visit())
        ledger.began(isStream: true)
        ledger.began(isStream: true)
        ledger.ended(cancelled: true)

        ledger.reset()

        #expect(ledger.callCount == 0)
        #expect(ledger.cancelledCount == 0)
        #expect(ledger.concurrent == 1)
        #expect(ledger.concurrentMax == 1)
    }

    @Test("prompts beyond the limit are not listed, and those listed go on being counted")
    func promptMax() {
        var ledger = Ledger()
        let digests = (0...Ledger.promptMax).map { Digest(of: Array("\($0)".utf8)) }

        ledger.called(by: Visit(digests: digests))
        ledger.called(by: Visit(digests: [digests[0], digests[Ledger.promptMax]]))

        let byPrompt = ledger.json["by_prompt"]
        #expect(byPrompt?[digests[0].hex] == .number(2))
        #expect(byPrompt?[digests[Ledger.promptMax].hex] == nil)
    }
}
