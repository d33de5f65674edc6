import SamovarCore
import SamovarWire
import Testing

@testable import SamovarClient

@Suite("A request's mailbox")
struct MailboxTests {
    private func failed(_ code: SamovarClient.Failure.Code) -> ReplyEvent { .failed(.init(code, "")) }
    private func piece(_ text: String) -> ReplyEvent { .piece(Array(text.utf8), endsEvent: false) }

    @Test("keeps what comes before its reader, in order, and then its end for ever")
    func order() {
        var mailbox = Mailbox<String>()

        let woken = [mailbox.take(piece("a")), mailbox.take(piece("b")), mailbox.take(.ended)]
        let read = [mailbox.next("r"), mailbox.next("r"), mailbox.next("r"), mailbox.next("r")]

        #expect(woken == [nil, nil, nil])
        #expect(read == [piece("a"), piece("b"), .ended, .ended])
    }

    @Test("wakes a reader who waits, once")
    func wakes() {
        var mailbox = Mailbox<String>()

        let nothing = mailbox.next("r")
        let woken = mailbox.take(piece("a"))
        let nobody = mailbox.take(piece("b"))

        #expect(nothing == nil)
        #expect(woken == "r")
        #expect(nobody == nil)
        #expect(mailbox.next("r") == piece("b"))
    }

    @Test("takes nothing after the end")
    func oneEnd() {
        var mailbox = Mailbox<String>()

        _ = mailbox.take(.ended)
        _ = mailbox.take(failed(.connectionLost))

        #expect(mailbox.next("r") == .ended)
    }

    @Test("drops what was not read when its reader gave up, and keeps it when the server failed")
    func dropped() {
        var left = Mailbox<String>()
        var cut = Mailbox<String>()

        _ = (left.take(piece("a")), cut.take(piece("a")))
        _ = (left.take(failed(.cancelled)), cut.take(failed(.upstreamCut)))

        #expect(left.next("r") == failed(.cancelled))
        #expect(cut.next("r") == piece("a"))
        #expect(cut.next("r") == failed(.upstreamCut))
    }
}
