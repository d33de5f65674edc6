import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("What is heard of changes")
struct HearingTests {
    private let keyName = KeyName(keyPrefix: "samovar:")
    private let pod = PodID(1)

    private final class Told: Sendable {
        private let words = Lock<[String]>([])
        var all: [String] { words.withLock { $0 } }

        func tell(_ news: StoreNews) {
            let word =
                switch news {
                case .changed(let names): "changed \(names)"
                case .allChanged: "all"
                case .purged(let name): "purged \(name)"
                case .generation(let scope): "generation \(scope.kind)"
                case .connected: "connected"
                case .lost: "lost"
                case .refused: "refused"
                case .writes: "writes"
                }
            words.withLock { $0.append(word) }
        }
    }

    private func hearing() -> (Hearing, Told) {
        let (hearing, told) = (Hearing(keyName: keyName, pod: pod), Told())
        hearing.listen { told.tell($0) }
        return (hearing, told)
    }

    @Test("names of answers and of generations that were asked for are told apart; nothing else is anything")
    func names() {
        let (hearing, told) = hearing()
        hearing.watch([.model("m")])
        let key = Sample.key(1)
        let name = keyName.bytes(key)
        let strange: [[UInt8]] = [
            [], name.dropLast(), name + [0], keyName.names(key).lease, Array("samovar:c:".utf8),
            name.map { $0 == UInt8(ascii: "{") ? UInt8(ascii: "(") : $0 },
            Array(String(decoding: name, as: UTF8.self).replacing("{", with: "{A").dropLast(2).utf8) + [125],
            keyName.generation(.model("other")),
        ]
        hearing.heard(
            .array(
                strange.map { .bulk($0) } + [.integer(1), .null, .bulk(name), .bulk(keyName.generation(.model("m")))]),
            on: Hearing.channel)
        hearing.heard(.null, on: Hearing.channel)
        hearing.heard(.bulk(name), on: Hearing.channel)
        #expect(told.all == ["generation model", "changed [\(keyName.word(key))]", "all"])
    }

    @Test("a purge is told to the others, and not to the one who did it")
    func purges() {
        let (hearing, told) = hearing()
        let strange: [[UInt8]] = [[], Array(repeating: 48, count: 33), Array(repeating: 48, count: 5_000)]
        for bytes in strange + [PurgeText.write(7, by: pod), PurgeText.write(8, by: PodID(2))] {
            hearing.heard(.bulk(bytes), on: keyName.purges)
        }
        hearing.heard(.null, on: keyName.purges)
        #expect(told.all == ["purged 8"])
    }

    @Test("who comes to listen later is told how it stands")
    func later() {
        let hearing = Hearing(keyName: keyName, pod: pod)
        hearing.stands(.tracking)
        let told = Told()
        hearing.listen { told.tell($0) }
        hearing.stands(.lost)
        #expect(told.all == ["connected", "lost"])
    }

    @Test("a generation is a number of our time, or none")
    func generations() {
        let now = WallTime(milliseconds: 1_700_000_000_000)
        let read = ["1700000000001", "0", "", "-1", "1e3", "99999999999999999", "9999999999999999", "7 "].map {
            Generation.parse(Array($0.utf8), at: now)
        }
        #expect(read == [1_700_000_000_001, 0, 0, 0, 0, 0, 0, 0])
    }
}

@Suite("The way to hear of changes")
struct TrackingHandshakeTests {
    private static func heard(_ replies: [RESPValue]) -> [NewsState.Action] {
        var state = NewsState(
            greeting: Greeting(user: nil, password: nil, database: 0), channels: [Array("here".utf8)],
            tracked: [Array("c:".utf8), Array("g:".utf8)], at: .zero)
        return replies.map { state.heard($0, at: .zero) }
    }

    private static func words(_ command: [[UInt8]]) -> String {
        command.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    }

    private static func subscribed(_ channel: String) -> RESPValue {
        .array([.bulk(Array("subscribe".utf8)), .bulk(Array(channel.utf8)), .integer(1)])
    }

    private static let greeted: [RESPValue] = [.status("OK"), .status("PONG")]

    @Test("it asks for its number, and has changes sent to itself")
    func tracks() throws {
        let actions = Self.heard(
            Self.greeted + [
                .integer(7), .status("OK"), Self.subscribed("__redis__:invalidate"), Self.subscribed("here"),
            ]
                + [
                    .array([
                        .bulk(Array("message".utf8)), .bulk(Hearing.channel), .array([.bulk(Array("c:1".utf8))]),
                    ])
                ])
        guard case .send(let commands) = actions[2] else {
            Issue.record("it says nothing")
            return
        }
        #expect(
            commands.map(Self.words) == [
                "CLIENT TRACKING ON REDIRECT 7 BCAST PREFIX c: PREFIX g:", "SUBSCRIBE __redis__:invalidate",
                "SUBSCRIBE here",
            ])
        #expect(
            actions[3...] == [
                .nothing, .nothing, .live(isTracking: true),
                .message(channel: Hearing.channel, .array([.bulk(Array("c:1".utf8))])),
            ])
    }

    @Test("where any of it is refused, it hears the rest, and says that it hears of no changes")
    func refused() {
        let no = RESPValue.error(ServerError(code: "NOPERM"))
        let invalidate = Self.subscribed("__redis__:invalidate")
        for replies in [[.integer(7), no, invalidate], [.integer(7), .status("OK"), no], [no]] {
            let actions = Self.heard(Self.greeted + replies + [Self.subscribed("here")])
            #expect(actions.last == .live(isTracking: false))
        }
    }

    @Test("a server that answers something else is not listened to")
    func strange() {
        for replies in [[RESPValue.status("OK")], [.integer(7), .integer(1)], [.integer(7), .status("OK"), .null]] {
            #expect(Self.heard(Self.greeted + replies).last == .close(.protocolError(.unreadable)))
        }
    }
}
