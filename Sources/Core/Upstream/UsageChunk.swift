/// Whether an upstream is asked for a stream's usage. Some refuse the option; one refusal is enough to learn it.
public struct UsageChunk: Hashable, Sendable {
    /// As configured: `usage_chunk: ask | leave`.
    public enum Setting: String, CaseIterable, Hashable, Sendable {
        case ask
        case leave
    }

    private var setting: Setting

    public init(_ setting: Setting) {
        self.setting = setting
    }

    /// Whether an attempt is to ask, for a caller who does or does not want usage himself.
    public func asks(callerWantsUsage: Bool) -> Bool {
        callerWantsUsage || setting == .ask
    }

    /// The attempt was refused. True: it was our option that was refused, so try once more without it.
    ///
    /// A caller's own wish is his own: then the refusal is his too.
    public mutating func refused(_ refusal: Failure.Refusal, callerWantsUsage: Bool) -> Bool {
        guard setting == .ask, !callerWantsUsage, refusal.status == 400 || refusal.status == 422 else { return false }
        let words = String(decoding: refusal.body.prefix(4_096), as: UTF8.self)
        guard words.contains("stream_options") || words.contains("include_usage") else { return false }
        setting = .leave
        return true
    }
}
