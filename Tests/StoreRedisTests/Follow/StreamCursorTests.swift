import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Stream cursor")
struct StreamCursorTests {
    private let form = PublishedForm(.stream, usageAsked: false)
    private let stream = Array("s".utf8)

    private func cursor() -> StreamCursor { StreamCursor(key: Sample.key(1), attempt: attempt(1), stream: stream) }

    private func entry(_ number: Int) -> PublishedEntry {
        .chunks(first: number, form, [Chunk(bytes: Array("data: \(number)\n\n".utf8))])
    }

    private func row(_ number: Int, index: UInt32? = nil, name: String? = nil, of attempt: AttemptID = attempt(1))
        -> RESPValue
    {
        let bytes = StreamEntry.encode(
            entry(number), index: index ?? UInt32(number), of: attempt, for: Sample.key(1), seal: Seal())
        return .array([
            .bulk(Array((name ?? "17-\(number)").utf8)), .array([.bulk(Array("e".utf8)), .bulk(bytes)]),
        ])
    }

    private func reply(_ rows: RESPValue...) -> RESPValue { .array([.array([.bulk(stream), .array(rows)])]) }

    @Test("it goes on behind what it has read")
    func order() {
        var cursor = cursor()
        #expect(cursor.command.last == Array("0-0".utf8))
        #expect(cursor.read(.null, seal: Seal()) == .entries([]))
        #expect(cursor.read(reply(row(0), row(1)), seal: Seal()) == .entries([entry(0), entry(1)]))
        #expect(cursor.command.last == Array("17-1".utf8))
        #expect(cursor.read(reply(row(2)), seal: Seal()) == .entries([entry(2)]))
    }

    @Test("a trimmed beginning and a gap are handed on as they are: the chunks' own indices tell")
    func trimmed() {
        var cursor = cursor()
        #expect(cursor.read(reply(row(40), row(43)), seal: Seal()) == .entries([entry(40), entry(43)]))
    }

    @Test("an entry out of order, repeated, another attempt's or damaged makes the stream unreadable")
    func unreadable() {
        for rows in [
            [row(1), row(0)], [row(0), row(0)], [row(0, of: attempt(2))], [row(0), row(1, index: 0)],
            [.array([.bulk(Array("1-1".utf8)), .array([.bulk(Array("e".utf8)), .bulk([1, 2, 3])])])],
            [.array([.bulk(Array("1-1".utf8)), .array([.bulk(Array("x".utf8)), .bulk([])])])],
            [.array([.bulk(Array("1-1".utf8)), .array([])])],
        ] {
            var cursor = cursor()
            #expect(cursor.read(.array([.array([.bulk(stream), .array(rows)])]), seal: Seal()) == .unreadable)
        }
    }

    @Test("what is no reply to a read is strange")
    func strange() {
        let names = ["", "1", "1-", "-1", "1-1-1", "1-a", "1 1", "123456789012345678901-0"]
        for reply: RESPValue in [
            .integer(1), .bulk([]), .array([]), .status("OK"),
            .array([.array([.bulk(Array("t".utf8)), .array([row(0)])])]),
            .array([.array([.bulk(stream), .null])]), .array([.array([.bulk(stream), .array([.integer(1)])])]),
            .array([.array([.bulk(stream), .array([])]), .array([.bulk(stream), .array([])])]),
            .array([
                .array([.bulk(stream), .array((0...StreamCursor.entryMax).map { row($0) })])
            ]),
        ] + names.map({ self.reply(row(0, name: $0)) }) {
            var cursor = cursor()
            #expect(cursor.read(reply, seal: Seal()) == .strange, "\(reply)")
        }
    }
}
