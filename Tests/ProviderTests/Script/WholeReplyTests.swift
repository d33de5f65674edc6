import NIOCore
import Testing

@testable import provider

@Suite("a reply sent in one go")
struct WholeReplyTests {
    private let body = ByteBuffer(string: "0123456789")

    @Test("it waits until it is due, then is all there with its length")
    func due() {
        var reply = WholeReply(head: Scene.head, body: body, due: .milliseconds(50), pace: Pace(Settings()))

        let early = reply.play(at: .milliseconds(49))
        let then = reply.play(at: .milliseconds(50))

        #expect(early.head == nil)
        #expect(early.then == .resume(at: .milliseconds(50)))
        #expect(then.head?.headers["content-length"] == ["10"])
        #expect(String(buffer: then.bytes) == "0123456789")
        #expect(then.then == .end)
    }

    @Test("a cut one promises its whole length and sends half")
    func cut() {
        var reply = WholeReply(head: Scene.head, body: body, isCut: true)

        let passage = reply.play(at: .zero)

        #expect(passage.head?.headers["content-length"] == ["10"])
        #expect(String(buffer: passage.bytes) == "01234")
        #expect(passage.then == .cut)
    }

    @Test("silence begins with the head, which cannot know the length, and is full of blank lines")
    func silence() {
        let settings = Scene.settings {
            $0.silentMs = 250
            $0.keepAliveMs = 100
        }
        var reply = WholeReply(head: Scene.head, body: body, due: .milliseconds(300), pace: Pace(settings))

        let arrival = reply.play(at: .zero)
        let late = reply.play(at: .milliseconds(260))
        let then = reply.play(at: .milliseconds(300))

        #expect(arrival.head?.headers["content-length"] == [])
        #expect(arrival.then == .resume(at: .milliseconds(100)))
        #expect(String(buffer: late.bytes) == "\n\n")
        #expect(late.then == .resume(at: .milliseconds(300)))
        #expect(then.head == nil)
        #expect(String(buffer: then.bytes) == "0123456789")
    }
}
