import Foundation
import Testing

/// How large the crowds are: by hand, larger ones.
private enum Size {
    static let waiters = number("SAMOVAR_TEST_WAITERS") ?? 3_000
    static let keys = number("SAMOVAR_TEST_KEYS") ?? 3_000

    private static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap { Int($0) } }
}

/// Many questions over a few connections, written at once.
private struct Questions {
    let clients: [BinaryClient]
    private var asked: [(client: Int, id: UInt64)] = []

    init(_ sidecar: Sidecar, clientCount: Int, authorization: String? = nil) throws {
        clients = try (0..<clientCount).map { _ in try BinaryClient(to: sidecar.binary, authorization: authorization) }
    }

    mutating func ask(_ chats: some Sequence<Chat>) {
        var batches = Array(repeating: [UInt8](), count: clients.count)
        for chat in chats {
            let client = asked.count % clients.count
            let id = UInt64(asked.count / clients.count + 1)
            asked.append((client, id))
            batches[client] += BinaryClient.asking(id, chat)
        }
        for (client, batch) in zip(clients, batches) { client.raw.send(batch, within: .seconds(300)) }
    }

    /// How many of them have been answered, by now.
    func endedCount() -> Int {
        for client in clients {
            // Who is silent for long is given up.
            client.ping()
            _ = client.waits(within: .milliseconds(5)) { _ in false }
        }
        return clients.reduce(0) { $0 + $1.frames.count { $0.isEnd } }
    }

    /// In the order in which they were asked.
    func replies() throws -> [BinaryReply] {
        for (number, client) in clients.enumerated() {
            let count = asked.count { $0.client == number }
            var ended = 0
            var looked = 0
            let isDone = client.waits(within: .seconds(300)) { client in
                while looked < client.frames.count {
                    if client.frames[looked].isEnd { ended += 1 }
                    looked += 1
                }
                return ended >= count
            }
            guard isDone else { throw HarnessError.noReply("\(ended) of \(count) replies") }
        }
        let frames = clients.map { Dictionary(grouping: $0.frames, by: \.id) }
        return asked.map { BinaryReply(frames[$0.client][$0.id] ?? []) }
    }
}

extension RealProcesses {
    /// However many come, there is a bound, it is told, and nobody pays for it who kept it.
    @Suite("crowds")
    struct Crowds {
        /// What one waiter may cost, with all that its request needs.
        private static let waiterSizeMax = 28 << 10

        @Test("of waiters for one answer are bounded: the rest are told to come again, and one costs 28 KB at most")
        func waiters() throws {
            let most = Size.waiters * 4 / 5
            // Longer than it takes them all to come.
            let scene = try Scene("--json-ms", Size.waiters > 5_000 ? "50000" : "10000") {
                $0.limits = ["flight_followers_max": "\(most)", "inflight_max": "1000000"]
            }
            let chat = Chat("what all the world wants to know")
            let clientCount = max(4, Size.waiters / 1_000)
            var first = try Questions(scene.sidecar, clientCount: clientCount)
            // What the first few cost once is not counted.
            first.ask(Array(repeating: chat, count: clientCount * 10))
            #expect(try eventually { try scene.calls == 1 })
            // All have been read by the time the last one's PING is answered.
            for client in first.clients {
                client.ping()
                _ = client.waits { $0.frames.contains { $0.opcode == .pong } }
            }
            let before = try scene.sidecar.residentSize()

            var others = try Questions(scene.sidecar, clientCount: clientCount)
            others.ask(Array(repeating: chat, count: Size.waiters - clientCount * 10))
            // Those beyond the bound are answered at once: when they are, all the others wait.
            let refusedCount = Size.waiters - most
            #expect(eventually(within: .seconds(120)) { others.endedCount() == refusedCount })
            let after = try scene.sidecar.residentSize()
            let replies = try first.replies() + others.replies()

            let answered = replies.filter { Verifier().complaint($0.asHTTP, to: chat) == nil }.count
            let refused = replies.filter { $0.code != nil }
            #expect(answered == most)
            #expect(refused.count == refusedCount)
            #expect(refused.allSatisfy { $0.code == .limited })
            #expect(try scene.calls == 1)
            let each = (after - before) / (most - clientCount * 10)
            print("{\"waiters\":\(most),\"refused\":\(refused.count),\"bytes_each\":\(each),\"rss\":\(after)}")
            #expect(each <= Self.waiterSizeMax)
        }

        @Test("of different questions are bounded by flights_max, and leave room for another tenant")
        func keys() throws {
            let most = 50
            let scene = try Scene("--json-ms", "10000") {
                $0.limits = ["flights_max": "\(most)", "inflight_max": "1000000"]
            }
            var flood = try Questions(scene.sidecar, clientCount: 4, authorization: "Bearer flood")
            flood.ask((0..<Size.keys).map { Chat("a flood of questions \($0)") })
            // Those beyond the bound are answered at once.
            #expect(eventually(within: .seconds(120)) { flood.endedCount() >= Size.keys - most })

            var few = try Questions(scene.sidecar, clientCount: 1, authorization: "Bearer few")
            let chats = (0..<4).map { Chat("a few questions \($0)") }
            few.ask(chats)
            let replies = try few.replies()
            let flooded = try flood.replies()

            #expect(zip(replies, chats).compactMap { Verifier().complaint($0.asHTTP, to: $1) } == [])
            let answered = flooded.filter { $0.code == nil }.count
            #expect(answered > 0 && answered < most)
            #expect(flooded.allSatisfy { $0.code == nil || $0.code == .limited })
            #expect(try scene.calls == answered + chats.count)
        }
    }
}
