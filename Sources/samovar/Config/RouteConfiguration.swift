import SamovarCore

/// How requests of one kind are treated: a `Route` as it is written.
struct RouteConfiguration: Hashable, Sendable {
    /// Which requests it is for.
    struct Match: Hashable, Sendable {
        /// Nil is every call.
        var call: CachedCall?
        /// A model's name, where `*` stands for any run of characters.
        var model = "*"

        static let keys: [ConfigurationKey<Match>] = [
            .optional("path", \.call, .cachedCall),
            .value("model", \.model, .modelPattern),
        ]
    }

    /// What makes two of its requests the same.
    struct Key: Hashable, Sendable {
        /// Top-level members of the body that make no difference.
        var ignore: [String] = []

        static let keys: [ConfigurationKey<Key>] = [
            .list("ignore", \.ignore, of: .ignorableMember)
        ]
    }

    /// Part of every key: entries of two routes never meet.
    var name: String
    var match = Match()
    /// The names of those that may answer; empty is all.
    var upstreams: [String] = []
    /// Nil is the cache's.
    var ttl: Duration?
    /// Nil is the cache's.
    var staleTTL: Duration?
    var sampling = Route.Sampling.share
    var storeLength = false
    var storeContentFilter = false
    var finishWhenLeft = false
    var key = Key()
    var deadline = AnswerDeadlines.Timeouts()
    var urgency = Urgency.interactive
    /// How long a caller waits for its turn upstream.
    var queueTimeout = Duration.seconds(10)

    /// How urgent its requests are; callers may say that theirs are less so.
    enum Urgency: String, CaseIterable, Hashable, Sendable {
        case interactive
        case batch
    }
    var earlyRefresh = LadderSteps().earlyRefresh
    var staleWhileRevalidate = Duration.zero
    /// Nil: callers wait as long as the upstream may take.
    var answerWithin: Duration?
    var fallback: [FallbackConfiguration] = []
    var fixedAnswer: String?
    var split = SplitConfiguration()
    /// Nil: each embedding is a call of its own.
    var batch: EmbeddingBatch.Limits?

    init(name: String) {
        self.name = name
    }

    /// The route that is there without being written: everything, from every upstream.
    static let `default` = RouteConfiguration(name: "default")

    static let keys: [ConfigurationKey<RouteConfiguration>] = [
        .value("name", \.name, .name),
        .section("match", \.match, Match.keys),
        .list("upstreams", \.upstreams, of: .name),
        .optional("ttl", \.ttl, .duration(.zero...Configuration.Cache.lifeMax)),
        .optional("stale_ttl", \.staleTTL, .duration(.zero...Configuration.Cache.lifeMax)),
        .value("sampling", \.sampling, .choice),
        .value("store_length", \.storeLength, .flag),
        .value("store_content_filter", \.storeContentFilter, .flag),
        .value("finish_when_left", \.finishWhenLeft, .flag),
        .section("key", \.key, Key.keys),
        .section("deadline", \.deadline, deadlineKeys),
        .value("class", \.urgency, .choice),
        .value("queue_timeout", \.queueTimeout, .duration(Configuration.Limits.timeouts)),
        .value("early_refresh", \.earlyRefresh, .factor(max: Int(EarlyRefresh.factorMax))),
        .value(
            "stale_while_revalidate", \.staleWhileRevalidate, .duration(.zero...Configuration.Cache.lifeMax)),
        .optional("answer_within", \.answerWithin, .duration(Configuration.Limits.timeouts)),
        .items(
            "fallback", \.fallback, empty: FallbackConfiguration(), FallbackConfiguration.keys, required: ["upstream"]),
        .optional("fixed_answer", \.fixedAnswer, .words(sizeMax: 16 << 10)),
        .section("split", \.split, SplitConfiguration.keys),
        .optionalSection("batch", \.batch, empty: EmbeddingBatch.Limits(), batchKeys),
    ]

    private static let batchKeys: [ConfigurationKey<EmbeddingBatch.Limits>] = [
        .value("size_max", \.sizeMax, .count(2...2_048)),
        .value("window", \.window, .duration(.milliseconds(1)...(.seconds(10)))),
        .value("tokens_max", \.tokensMax, .count(1...10_000_000)),
    ]

    private static let deadlineKeys: [ConfigurationKey<AnswerDeadlines.Timeouts>] = [
        .value("first_token", \.firstToken, .duration(Configuration.Limits.timeouts)),
        .value("between_tokens", \.betweenTokens, .duration(Configuration.Limits.timeouts)),
        .value("total", \.total, .duration(Configuration.Limits.timeouts)),
    ]
}

/// A call that is answered from the cache, as its path spells it. With and without `/v1` it is the same call.
enum CachedCall: String, CaseIterable, Hashable, Sendable {
    case chat = "/v1/chat/completions"
    case completions = "/v1/completions"
    case embeddings = "/v1/embeddings"
    case models = "/v1/models"

    var kind: APIKind {
        switch self {
        case .chat: .chat
        case .completions: .completions
        case .embeddings: .embeddings
        case .models: .models
        }
    }

    init?(path: String) {
        self.init(rawValue: path.hasPrefix("/v1/") ? path : "/v1" + path)
    }
}

extension ValueFormat where Value == CachedCall {
    fileprivate static var cachedCall: Self {
        let paths = CachedCall.allCases.map(\.rawValue)
        return Self(allowed: "\(paths.joined(separator: ", ")) (also without /v1)", words: paths) { text in
            CachedCall(path: text).map(Outcome.value) ?? .malformed
        } spell: {
            $0.rawValue
        }
    }
}

extension ValueFormat where Value == String {
    /// A member of the body that says nothing about what is asked.
    fileprivate static var ignorableMember: Self {
        Self(allowed: "the name of a top-level member of the body") { text in
            guard (1...256).contains(text.utf8.count) else { return .malformed }
            guard !["model", "messages", "prompt", "input", "tools", "functions"].contains(text) else {
                return .refused("'\(text)' is what is asked: without it, different questions would share one answer")
            }
            return .value(text)
        } spell: {
            $0
        }
    }
}
