import NIOCore
import NIOHTTP1
import Testing

@testable import provider

@Suite("the script chosen for a reply")
struct CastingTests {
    /// All that is sent, every wait leapt over, and when the end was.
    private func play(
        _ settings: Settings, ask: Ask? = .text(Scene.ask()), ruling: Door.Admission.Ruling = .serve
    ) -> (head: HTTPResponseHead?, body: String, end: TimeAmount) {
        let admission = Door.Admission(ruling: ruling, attempt: 7, settings: settings, remaining: 5)
        var script = Casting(admission: admission, created: 0).script(for: ask)
        var head: HTTPResponseHead?
        var body = ByteBuffer()
        var now = TimeAmount.zero
        while true {
            var passage = script.play(at: now)
            head = head ?? passage.head
            body.writeBuffer(&passage.bytes)
            guard case .resume(let due) = passage.then else { return (head, String(buffer: body), now) }
            now = due
        }
    }

    @Test("every reply carries what only its caller may see")
    func privateHeaders() {
        let rulings: [Door.Admission.Ruling] = [.serve, .refuse(.unauthorized), .redirect(to: "http://x/")]
        for ruling in rulings {
            let headers = play(Settings(), ruling: ruling).head?.headers
            #expect(headers?["x-request-id"] == ["req_7"])
            #expect(headers?["set-cookie"] == ["session=7"])
            #expect(headers?["x-ratelimit-remaining-requests"] == ["5"])
            #expect(headers?["openai-processing-ms"] == ["0"])
        }
    }

    @Test("a JSON answer takes as long as its tokens, unless told otherwise")
    func latency() {
        let paced = Scene.settings {
            $0.tokens = 3
            $0.firstTokenMs = 100
            $0.tokenMs = 10
        }
        var told = paced
        told.jsonMs = 20

        #expect(play(paced).end == .milliseconds(130))
        #expect(play(told).end == .milliseconds(20))
    }

    @Test("a refusal has its status, its seconds and an error, at once")
    func refusal() throws {
        let reply = play(Scene.settings { $0.firstTokenMs = 100 }, ruling: .refuse(.throttled(retryAfter: 9)))

        #expect(reply.head?.status == .tooManyRequests)
        #expect(reply.head?.headers["retry-after"] == ["9"])
        #expect(reply.end == .zero)
        #expect(try JSONReader.read(Array(reply.body.utf8))["error"]?["code"] == .string("rate_limit_exceeded"))
    }

    @Test("a redirect has its place and no body")
    func redirect() {
        let reply = play(Settings(), ruling: .redirect(to: "http://x/"))

        #expect(reply.head?.status == .found)
        #expect(reply.head?.headers["location"] == ["http://x/"])
        #expect(reply.body.isEmpty)
    }

    @Test("garbage is sent as it stands, also to one who wants a stream")
    func garbage() {
        let settings = Scene.settings {
            $0.bodyOverride = "<html>"
            $0.contentType = "text/html"
        }
        let reply = play(settings, ask: .text(Scene.ask { $0.stream = true }))

        #expect(reply.head?.status == .ok)
        #expect(reply.head?.headers["content-type"] == ["text/html"])
        #expect(reply.body == "<html>")
    }

    @Test("an error under 200 is an error in all but status")
    func errorUnder200() throws {
        let reply = play(Scene.settings { $0.errorUnder200 = true })

        #expect(reply.head?.status == .ok)
        #expect(try JSONReader.read(Array(reply.body.utf8))["error"]?["type"] == .string("server_error"))
    }

    @Test("a stream is a stream of events, the list of models JSON")
    func contentTypes() {
        let stream = play(Settings(), ask: .text(Scene.ask { $0.stream = true }))
        let models = play(Settings(), ask: nil)

        #expect(stream.head?.headers["content-type"] == ["text/event-stream; charset=utf-8"])
        #expect(models.head?.headers["content-type"] == ["application/json"])
        #expect(models.body.contains("standin-reasoner"))
    }
}
