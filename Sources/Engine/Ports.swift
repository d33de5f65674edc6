import SamovarCore

/// What the engine needs from the second cache. Redis in the daemon, a dictionary in tests.
///
/// A store that is down answers nil and takes nothing: a cache may forget, it may not fail. Every call returns
/// within the store's own timeout.
public protocol Store: Sendable {
    /// The stored answer, with what is left of its life.
    func get(_ key: RequestKey) async -> StoredAnswer?
    /// Keeps the answer for what is left of its life.
    func set(_ key: RequestKey, _ answer: Answer) async
    /// Forgets the answer under the key.
    func remove(_ key: RequestKey) async
}

/// What the engine needs from one upstream. A provider over HTTP in the daemon, a script in tests.
public protocol Upstream: Sendable {
    /// Makes one attempt and hands over what comes, in order, as it comes. Returns at the answer's clean end.
    ///
    /// Deadlines are the engine's: when `caller` goes, the call is given up at once, and what it throws is no matter. A
    /// throw of `receive` ends the attempt with that failure.
    func attempt(
        _ attempt: Attempt, for caller: Caller,
        receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure)
}

/// One try of a request at one upstream.
public struct Attempt: Sendable {
    public let request: Request
    /// The form to ask for.
    public let form: Form
    /// Ask that a stream carries its usage.
    public let includeUsage: Bool
    public let limits: AnswerLimits

    public init(request: Request, form: Form, includeUsage: Bool, limits: AnswerLimits = AnswerLimits()) {
        self.request = request
        self.form = form
        self.includeUsage = includeUsage
        self.limits = limits
    }
}

/// How large an answer may grow, in bytes as they come.
public struct AnswerLimits: Hashable, Sendable {
    /// `answer_size_max`: of a body.
    public var answerSizeMax: Int
    /// `stream_size_max`: of a stream.
    public var streamSizeMax: Int

    public init(answerSizeMax: Int = 32 << 20, streamSizeMax: Int = 4 << 20) {
        self.answerSizeMax = answerSizeMax
        self.streamSizeMax = streamSizeMax
    }

    public func sizeMax(of form: Form) -> (name: String, byteCount: Int) {
        switch form {
        case .body: ("answer_size_max", answerSizeMax)
        case .stream: ("stream_size_max", streamSizeMax)
        }
    }
}

public enum AttemptEvent: Sendable {
    /// The upstream has begun to answer with success, in this form; it may not be the one asked for.
    case began(Form)
    /// What its headers said about how fast it may be asked. Before `began`; not where they said nothing.
    case rate(RateFeedback)
    case chunk(Chunk, ChunkFacts)
    /// A sign of life that is no token. Never recorded, never a reason to wait longer.
    case keepAlive
}

/// What passes through to an upstream as it is: never stored, never shared.
public struct PassRequest: Sendable {
    public let method: String
    /// Path and query, as the caller sent them.
    public let target: String
    public let contentType: String?
    public let accept: String?
    public let headers: KeyedHeaders
    /// The caller's own; nil where the upstream's configured key is used.
    public let authorization: Secret?
    public let body: [UInt8]

    public init(
        method: String, target: String, contentType: String?, accept: String?, headers: KeyedHeaders,
        authorization: Secret?, body: [UInt8]
    ) {
        self.method = method
        self.target = target
        self.contentType = contentType
        self.accept = accept
        self.headers = headers
        self.authorization = authorization
        self.body = body
    }
}

/// The beginning of what comes back for one.
public struct PassReply: Sendable {
    public let status: Int
    public let contentType: String?
    public let retryAfter: String?

    public init(status: Int, contentType: String?, retryAfter: String?) {
        self.status = status
        self.contentType = contentType
        self.retryAfter = retryAfter
    }
}

/// What a front needs from an upstream for paths that it does not know.
public protocol PassThrough: Sendable {
    /// Sends the request and hands over the reply as it comes: `began` once, then each piece.
    func pass(
        _ request: PassRequest, began: @Sendable (PassReply) async throws -> Void,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws
}
