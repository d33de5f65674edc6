import SamovarWire
import TestSupport
import Testing

/// All events of a text, fed in pieces of the given size.
private func decode(_ text: String, pieces: Int = .max) -> [ServerSentEvent] {
    var decoder = EventDecoder(eventSizeMax: 1 << 20)
    var events: [ServerSentEvent] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        events += (try? decoder.feed(rest.prefix(pieces))) ?? []
        rest = rest.dropFirst(pieces)
    }
    if let last = decoder.finish() { events.append(last) }
    return events
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("An event decoder")
struct EventDecoderTests {
    @Test(
        "reads lines that end with LF, CR LF or CR",
        arguments: ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"])
    func lineEnds(stream: String) {
        let events = decode(stream)
        #expect(events.map { text($0.data) } == ["a", "b"])
        #expect(events.map { text($0.raw) }.joined() == stream)
    }

    @Test("drops comments and blank lines between events, and counts them")
    func keepAlives() throws {
        var decoder = EventDecoder(eventSizeMax: 1 << 20)
        let events = try decoder.feed(Array(": ping\n\n\n\ndata: a\n: inside\n\n: end\n\n".utf8))
        #expect(events.map { text($0.raw) } == ["data: a\n\n"])
        #expect(decoder.keepAliveCount == 7)
    }

    @Test("joins several data lines, and reads the event's name and error lines")
    func fields() {
        let events = decode("event: error\ndata: a\ndata:b\nerror: x\nid: 7\nretry: 3\n\n")
        #expect(events.count == 1)
        #expect(text(events[0].data) == "a\nb")
        #expect(events[0].name == "error")
        #expect(events[0].errorLine.map(text) == "x")
        #expect(events[0].dataPlace == nil)
    }

    @Test("says where the data stands in the event")
    func place() throws {
        let event = try #require(decode("event: x\ndata: {\"a\":1}\n\n").first)
        let place = try #require(event.dataPlace)
        #expect(Array(event.raw[place]) == event.data)
    }

    @Test("gives what is left at the end without its blank line")
    func unfinished() {
        #expect(decode("data: a\n\ndata: b").map { text($0.data) } == ["a", "b"])
        #expect(decode("data: b\r").map { text($0.data) } == ["b"])
        #expect(decode(": only a comment").isEmpty)
    }

    @Test("reads the same however the bytes are split", arguments: 1...12)
    func splits(pieces: Int) {
        let stream = ": c\r\n\r\ndata: ä€😀\r\n\r\nevent: x\rdata: 1\r\rdata: [DONE]\n\n"
        #expect(decode(stream, pieces: pieces) == decode(stream))
    }

    @Test("refuses an event larger than its limit, whether it ends or not")
    func tooLarge() {
        var decoder = EventDecoder(eventSizeMax: 100)
        #expect(throws: EventDecoder.DecodingError.eventTooLarge) {
            for _ in 0..<50 { _ = try decoder.feed(Array("aaaa".utf8)) }
        }
        var lines = EventDecoder(eventSizeMax: 100)
        #expect(throws: EventDecoder.DecodingError.eventTooLarge) {
            for _ in 0..<50 { _ = try lines.feed(Array("data: a\n".utf8)) }
        }
    }
}
