import SamovarCore

@testable import SamovarStoreRedis

/// Keys and answers for tests, told apart by a number.
enum Sample {
    static func key(_ number: Int) -> RequestKey {
        RequestKey(bytes: (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7 &+ number >> 8) })
    }

    /// What belongs to a key, under the prefix that is the default.
    static func name(_ number: Int) -> RequestNames { KeyName(keyPrefix: "samovar:").names(key(number)) }

    static func answer(
        _ number: Int = 0, ttl: Duration = .seconds(3_600), staleTTL: Duration = .seconds(60),
        createdAt: WallTime, usage: Usage? = Usage(promptTokenCount: 12, completionTokenCount: 3), size: Int = 0
    ) -> Answer {
        var chunks = ["Hel", "lo", "\(number)"].map { Chunk(bytes: Array("data: {\"text\":\"\($0)\"}\n\n".utf8)) }
        if size > 0 { chunks.append(Chunk(bytes: (0..<size).map { _ in UInt8.random(in: 0...255) })) }
        return Answer(
            recording: Recording(form: .stream, usageAsked: true, chunks: chunks),
            model: "deepseek-chat", createdAt: createdAt, generationTime: .milliseconds(1_234), usage: usage,
            ttl: ttl, staleTTL: staleTTL)
    }
}

/// Whether two answers say the same in all that is kept.
func same(_ left: Answer?, _ right: Answer) -> Bool {
    guard let left else { return false }
    return left.recording == right.recording && left.model == right.model && left.createdAt == right.createdAt
        && left.generationTime == right.generationTime && left.usage == right.usage && left.ttl == right.ttl
        && left.staleTTL == right.staleTTL
}
