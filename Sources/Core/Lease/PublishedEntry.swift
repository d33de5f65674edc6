/// One entry of an attempt's stream in Redis, from the leading pod to the pods that follow.
public enum PublishedEntry: Hashable, Sendable {
    /// Chunks of the answer, the first of them being the `first`-th, counted from zero.
    case chunks(first: Int, PublishedForm, [Chunk])
    /// The answer is whole. What was sent is complete only if exactly `count` chunks were.
    case end(count: Int, PublishedForm, usage: Usage?, isStored: Bool)
    /// There will be no more. `isRetryable`: somebody else may call anew, as far as the leading pod can tell.
    case failed(Failure, isRetryable: Bool)
}

/// How the upstream answers the attempt that is published.
public struct PublishedForm: Hashable, Sendable {
    public let form: Form
    /// Whether usage was asked for on behalf of callers who did not.
    public let usageAsked: Bool

    public init(_ form: Form, usageAsked: Bool) {
        self.form = form
        self.usageAsked = usageAsked
    }
}
