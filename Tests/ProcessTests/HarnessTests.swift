import Foundation
import Testing

extension RealProcesses {
    /// The checks that all other tests lean on can fail.
    @Suite("the checks themselves")
    struct Harness {
        @Test("SHA-256 of 'abc' is what the standard prints")
        func hash() {
            let hex = SHA256.hash(Array("abc".utf8)).map {
                $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16)
            }

            #expect(hex.joined() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        }

        @Test("the provider's own answers pass the verifier", arguments: [false, true])
        func honest(stream: Bool) throws {
            let provider = try Provider()
            let chat = Chat("hello", stream: stream)

            let reply = try provider.ask(chat)

            #expect(Verifier().complaint(reply, to: chat) == nil)
        }

        @Test("an answer to another question is caught", arguments: [false, true])
        func foreign(stream: Bool) throws {
            let provider = try Provider()

            let reply = try provider.ask(Chat("hello", stream: stream))

            #expect(Verifier().complaint(reply, to: Chat("good bye", stream: stream)) != nil)
        }

        @Test("a stream with one token missing, or without its end, is caught")
        func damaged() throws {
            let provider = try Provider()
            let chat = Chat("hello", stream: true)
            var holed = try provider.ask(chat)
            var endless = holed
            let events = holed.text.components(separatedBy: "\n\n")

            holed.body = Array((events[..<7] + events[8...]).joined(separator: "\n\n").utf8)
            endless.body = Array(holed.text.replacingOccurrences(of: "data: [DONE]\n\n", with: "").utf8)

            #expect(Verifier().complaint(holed, to: chat) != nil)
            #expect(Verifier().complaint(endless, to: chat) != nil)
        }

        @Test("without the sidecar between, a crowd is as many calls as callers")
        func uncoalesced() throws {
            let provider = try Provider("--json-ms", "100")
            let chat = Chat("everybody asks this")

            let crowd = try Crowd(Array(repeating: RawRequest.post(body: chat.body), count: 20), to: provider.address)
            let replies = crowd.finish()

            #expect(replies.allSatisfy { $0.map { Verifier().complaint($0, to: chat) == nil } ?? false })
            #expect(try provider.counts().calls == 20)
        }
    }
}
