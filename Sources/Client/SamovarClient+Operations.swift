import SamovarCore
import SamovarWire

/// What changes or shows what others put there: all but PING need ``Settings/adminToken``, else `forbidden`.
extension SamovarClient {
    /// Stores an answer that the caller has, as if an upstream had given it to this body.
    ///
    /// - Parameters:
    ///   - form: whether `answer` is a JSON body or the bytes of a stream.
    ///   - ttl: no longer than this, in whole seconds; nil: the route's.
    /// - Throws: ``Failure``, with `not_storable` where the answer is not whole or must not be kept.
    public func put(
        _ answer: [UInt8], form: Form, for body: [UInt8], ttl: Duration? = nil, options: Options = Options()
    ) async throws(Failure) {
        let seconds = ttl.map { UInt32(clamping: max(1, $0.components.seconds)) } ?? 0
        let put = Put(options.kind.api, form: form.core, ttl: seconds, metadata: try options.metadata())
        _ = try await done(.put(put, body: body, answer: answer), options)
    }

    /// What is to be made unusable.
    public enum Target: Hashable, Sendable {
        /// The entry of one request of our own tenant; kind and headers are the options'.
        case body([UInt8])
        /// One namespace of our own tenant, 1 to 256 bytes.
        case namespace(String)
        /// What one model has answered, for all tenants; 1 to 512 bytes.
        case model(String)
        /// All of one listener's tenant, at most 256 bytes; nil: our own.
        case tenant(String?)
    }

    /// Makes answers unusable, here and by message in the other pods.
    ///
    /// - Returns: how many entries were removed from this sidecar's memory.
    public func invalidate(_ target: Target, options: Options = Options()) async throws(Failure) -> Int {
        let content: Question.Content =
            switch target {
            case .body(let body):
                .invalidate(Invalidate(.body(options.kind.api, try options.metadata())), what: body)
            case .namespace(let name): .invalidate(Invalidate(.namespace), what: Array(name.utf8))
            case .model(let name): .invalidate(Invalidate(.model), what: Array(name.utf8))
            case .tenant(let name): .invalidate(Invalidate(.tenant), what: Array((name ?? "").utf8))
            }
        return Int(clamping: try await done(content, options).count)
    }

    /// What came of warming.
    public enum Warmed: Hashable, Sendable {
        case stored
        /// It was there already: nothing was called.
        case cached
        /// An answer was made and not kept.
        case notStored
    }

    /// Asks on behalf of nobody in particular: yields to live requests, and tells what came of it.
    ///
    /// - Parameter options: `noCache`, `maxAge`, `timeout`, `kind` and `headers`; others are refused as `malformed`.
    public func warm(_ body: [UInt8], options: Options = Options()) async throws(Failure) -> Warmed {
        var ask = try options.ask(events: false)
        // So that whoever asks next need not send the body.
        if options.asksDigestFirst(body.count, settings) { ask.metadata.bodyDigest = Self.digest(of: body) }
        switch try await done(.warm(ask, body: body), options).outcome {
        case .stored: return .stored
        case .cached: return .cached
        case .notStored: return .notStored
        case .invalidated: throw Self.unexpected
        }
    }

    /// The sidecar's figures: JSON, as the admin port's `/stats.json`.
    public func stats() async throws(Failure) -> [UInt8] {
        let question = Question(content: .stats, deadline: deadline(Options()))
        guard case .text(let text) = try await outcome(of: question) else { throw Self.unexpected }
        return text
    }

    /// Whether the sidecar is there. Connects if need be.
    ///
    /// - Parameter timeout: nil: as in ``Settings/timeout``.
    /// - Returns: how long that took.
    @discardableResult
    public func ping(timeout: Duration? = nil) async throws(Failure) -> Duration {
        let start = ClientDriver.now
        let question = Question(content: .ping, deadline: deadline(Options(timeout: timeout)))
        guard case .pong = try await outcome(of: question) else { throw Self.unexpected }
        return start.duration(to: ClientDriver.now)
    }

    private func done(_ content: Question.Content, _ options: Options) async throws(Failure) -> Done {
        let question = Question(content: content, deadline: deadline(options))
        guard case .done(let done) = try await outcome(of: question) else { throw Self.unexpected }
        return done
    }
}
