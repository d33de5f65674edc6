/// Sidecars on one Redis, before one provider.
struct Pods {
    let redis: Redis
    let provider: Provider
    let sidecars: [Sidecar]

    init(
        _ count: Int, _ flags: String..., lease: Duration = .seconds(3), on redis: Redis? = nil,
        change: (inout SidecarSettings) -> Void = { _ in }
    ) throws {
        self.redis = try redis ?? Redis()
        provider = try Provider(flags)
        let (redis, provider) = (self.redis, provider)
        sidecars = try (0..<count).map { _ in
            try Sidecar(upstream: provider.url) {
                $0.redis = ["url": redis.url, "timeout": "500ms"]
                $0.more = [
                    "lease: {duration: \(lease.components.seconds * 1_000 + lease.components.attoseconds / 1_000_000_000_000_000)ms}"
                ]
                $0.limits = ["connections_max": "2000"]
                change(&$0)
            }
        }
        // What is asked before Redis is reached is nobody else's business yet.
        let areConnected = try eventually {
            try sidecars.allSatisfy {
                try $0.stats()["redis"]["breaker"].string == "closed" && $0.process.errors.contains("redis: connected")
            }
        }
        guard areConnected else { throw HarnessError.odd("Redis was not reached") }
    }

    var calls: Int { get throws { try provider.counts().calls } }

    /// Everyone's reply, from pod to pod.
    func ask(_ chats: [Chat], at pods: some Sequence<Int>, each count: Int) throws -> [(HTTPReply?, Chat)] {
        let asked = (0..<count).map { chats[$0 % chats.count] }
        let crowds = try pods.map { pod in
            try Crowd(asked.map { RawRequest.post(body: $0.body) }, to: sidecars[pod].http)
        }
        // All have connected; now all of them ask.
        var replies: [(HTTPReply?, Chat)] = []
        let deadline = Deadline(within: .seconds(60))
        while !deadline.hasPassed, crowds.contains(where: { $0.replies.contains { $0?.isWhole != true } }) {
            for crowd in crowds { crowd.run(within: .milliseconds(20)) { _ in false } }
        }
        for crowd in crowds { replies += zip(crowd.replies, asked).map { ($0, $1) } }
        return replies
    }

    /// The pod that calls the upstream.
    func leading() throws -> Int {
        var found: Int?
        let isFound = try eventually {
            found = try sidecars.firstIndex { try ($0.stats()["leases"]["leads"].int ?? 0) > 0 }
            return found != nil
        }
        guard isFound, let found else { throw HarnessError.odd("nobody leads") }
        return found
    }
}

func complaints(_ replies: [(HTTPReply?, Chat)]) -> [String] {
    replies.compactMap { reply, chat in reply.map { Verifier().complaint($0, to: chat) } ?? "no reply" }
}
