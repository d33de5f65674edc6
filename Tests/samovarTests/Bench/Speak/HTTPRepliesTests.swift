import Foundation
import Testing

@testable import samovar

@Suite("Replies on the HTTP port")
struct HTTPRepliesTests {
    private let body = #"{"a":1}"#
    private let stream = "data: {\"a\":1}\n\ndata: [DONE]\n\n"

    private static func read(_ text: String, _ replies: inout HTTPReplies, pieces size: Int = .max) -> [ReplyEvent] {
        var (events, carry): ([ReplyEvent], [UInt8]) = ([], [])
        var rest = Array(text.utf8)[...]
        repeat {
            carry += rest.prefix(size)
            rest = rest.dropFirst(size)
            var offset = 0
            carry.withUnsafeBytes { bytes in
                while true {
                    let event = replies.next(bytes, from: &offset)
                    if event == .needsMore { return }
                    events.append(event)
                    if case .broken = event { return }
                }
            }
            carry.removeFirst(offset)
        } while !rest.isEmpty
        return events
    }

    /// A connection from which these were asked, in slots from 0 on.
    private func asked(_ areStreams: Bool...) -> HTTPReplies {
        var replies = HTTPReplies(slotCount: 4)
        #expect(Self.read("", &replies) == [.greeted(inflightMax: .max)])
        for (slot, isStream) in areStreams.enumerated() { _ = replies.asked(slot: slot, isStream: isStream) }
        return replies
    }

    private func whole(_ body: String, _ fields: String...) -> String {
        let head = ["HTTP/1.1 200 OK", "Content-Type: application/json"] + fields
        return head.joined(separator: "\r\n") + "\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body
    }

    private func chunked(_ chunks: String...) -> String {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-Cache: MISS\r\n\r\n"
        return head + (chunks + [""]).map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined()
    }

    @Test("are read the same, wherever they are cut", arguments: [1, 2, 3, 10, 64, Int.max])
    func pieces(size: Int) {
        var replies = asked(false, true, false)
        let text =
            whole(body, "x-cache: Hit") + chunked("data: {\"a\":", "1}\n\n", "data: [DONE]\n\n")
            + whole(body + "\n", "X-Cache:COALESCED")
        #expect(
            Self.read(text, &replies, pieces: size) == [
                .ended(slot: 0, .verified(.hit), byteCount: body.utf8.count),
                .ended(slot: 1, .verified(.miss), byteCount: stream.utf8.count),
                .ended(slot: 2, .verified(.coalesced), byteCount: body.utf8.count + 1),
            ])
    }

    @Test("are no answers when they are not of the form that was asked for, or a stream has no end")
    func malformed() {
        var (bodyForStream, endless, cut) = (asked(true), asked(true), asked(false))
        #expect(Self.read(whole(body), &bodyForStream) == [.ended(slot: 0, .failed(.malformed), byteCount: 7)])
        #expect(Self.read(chunked("data: {}\n\n"), &endless) == [.ended(slot: 0, .failed(.malformed), byteCount: 10)])
        #expect(Self.read(whole(#"{"a":"#), &cut) == [.ended(slot: 0, .failed(.malformed), byteCount: 5)])
    }

    @Test("with another status than 200 are told by it, and the next is read")
    func status() {
        var replies = asked(false, false)
        let refused = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n{}"
        #expect(
            Self.read(refused + whole(body), &replies) == [
                .ended(slot: 0, .failed(.status, detail: "429"), byteCount: 2),
                .ended(slot: 1, .verified(.unknown), byteCount: 7),
            ])
    }

    @Test("that are only in between are passed over")
    func interim() {
        var replies = asked(false)
        let text = "HTTP/1.1 100 Continue\r\n\r\n" + whole(body, "X-Cache: STALE")
        #expect(Self.read(text, &replies) == [.ended(slot: 0, .verified(.stale), byteCount: 7)])
    }

    @Test("that are the last of a connection say so behind their end")
    func leaving() {
        var replies = asked(false)
        #expect(
            Self.read(whole(body, "Connection: close"), &replies)
                == [.ended(slot: 0, .verified(.unknown), byteCount: 7), .leaving])
    }

    @Test(
        "that break the rules end the connection",
        arguments: [
            "ICAP/1.0 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Cache: HIT\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        ])
    func broken(text: String) {
        var replies = asked(false)
        let last = Self.read(text, &replies).last
        guard case .broken? = last else {
            Issue.record("\(String(describing: last)) to \(text)")
            return
        }
    }

    @Test("to nothing, or without an end to their head, end the connection")
    func unasked() {
        var (unasked, endless) = (asked(), asked(false))
        #expect(Self.read(whole(body), &unasked) == [.broken("200 before anything was asked")])
        let head = "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: HTTPReplies.headSizeMax)
        #expect(Self.read(head, &endless) == [.broken("a line without an end")])
    }
}

@Suite("Requests on the HTTP port")
struct HTTPDialectTests {
    @Test("have the path of their call, the host, the credential and the body's length")
    func request() throws {
        let lines = [#"{"messages":[]}"#, #"{"input":"a"}"#].map { Array($0.utf8) }
        let dialect = HTTPDialect(
            .own(try lines.map { try OwnBody($0) }), host: "localhost", authorization: .init("Bearer k"))
        var output: [UInt8] = []
        dialect.append(RequestDraw.Drawn(key: 1, isStream: false), id: 0, withBody: false, to: &output)
        #expect(
            String(decoding: output, as: UTF8.self)
                == "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Authorization: Bearer k\r\nContent-Length: 13\r\n\r\n{\"input\":\"a\"}")
    }

    @Test("made here have their number in the body, and the length of what is sent")
    func generated() throws {
        let made = GeneratedBody(model: "m", promptSize: 50, tokenMax: nil, mark: 1)
        let dialect = HTTPDialect(.generated(made), host: "[::1]:7600", authorization: nil)
        var output: [UInt8] = []
        dialect.append(RequestDraw.Drawn(key: 10, isStream: true), id: 0, withBody: false, to: &output)
        let parts = String(decoding: output, as: UTF8.self).components(separatedBy: "\r\n\r\n")
        #expect(parts[0].hasSuffix("Content-Length: \(parts[1].utf8.count)"))
        #expect(parts[1].contains("000000000000000a ") && parts[1].hasSuffix(#""stream":true}"#))
    }
}
