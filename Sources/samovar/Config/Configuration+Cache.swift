import SamovarCore

extension Configuration {
    /// What is kept, how much of it and for how long.
    struct Cache: Hashable, Sendable {
        /// The weight of all entries of L1 together.
        var l1SizeMax = 256 << 20
        /// The heaviest entry that L1 takes; nil is an eighth of `l1SizeMax`.
        var l1ItemSizeMax: Int?
        /// Who goes first when L1 is full.
        var policy = PolicyName.lru
        /// What bodies ask that came with their digest: so much of it is remembered.
        var bodyMemoSizeMax = 16 << 20
        /// How long an answer is fresh, where its route says nothing.
        var ttl = Duration.seconds(3_600)
        /// How long after that it may be served when the upstream is busy or down.
        var staleTTL = Duration.seconds(86_400)
        /// How long it is remembered that a request's answer could not be stored.
        var hitForMissTTL = Duration.seconds(10)

        /// `l1ItemSizeMax` with its default.
        var effectiveL1ItemSizeMax: Int { l1ItemSizeMax ?? l1SizeMax / 8 }

        static let lifeMax = Duration.seconds(8_760 * 3_600)

        static let keys: [ConfigurationKey<Cache>] = [
            .value("l1_size_max", \.l1SizeMax, .size(1 << 20...1 << 40), .restart),
            .optional("l1_item_size_max", \.l1ItemSizeMax, .size(1 << 10...1 << 40), .restart),
            .value("policy", \.policy, .choice, .restart),
            .value("body_memo_size_max", \.bodyMemoSizeMax, .size(0...1 << 30), .restart),
            .value("ttl", \.ttl, .duration(.zero...lifeMax)),
            .value("stale_ttl", \.staleTTL, .duration(.zero...lifeMax)),
            .value("hit_for_miss_ttl", \.hitForMissTTL, .duration(.zero...(.seconds(3_600)))),
        ]
    }
}
