import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SamovarCore
import SamovarEngine
import SamovarWire

/// One provider, called over HTTP.
///
/// Sends the caller's bytes less our own members, the headers that are keyed, and one credential. No redirect is
/// followed, certificates are verified, and compression is not asked for. Deadlines are the engine's, which cancels
/// the task: the connection behind it is closed, never reused.
public final class HTTPUpstream: Upstream, PassThrough {
    public struct Settings: Sendable {
        public var name: String
        /// Ends without a slash. Paths are appended to it as they are, so it carries its own `/v1`.
        public var url: String
        /// Nil: the caller's own Authorization is passed on.
        public var apiKey: Secret?
        public var connectTimeout: Duration
        public var connectionsMax: Int
        /// A PEM file of authorities to trust beside the system's.
        public var caFile: String?

        public init(
            name: String, url: String, apiKey: Secret? = nil, connectTimeout: Duration = .seconds(2),
            connectionsMax: Int = 1_024, caFile: String? = nil
        ) {
            self.name = name
            self.url = url
            self.apiKey = apiKey
            self.connectTimeout = connectTimeout
            self.connectionsMax = connectionsMax
            self.caFile = caFile
        }
    }

    /// How much of a refusal's words is passed on.
    private static let refusalByteMax = 64 << 10

    private let settings: Settings
    private let client: HTTPClient

    public init(_ settings: Settings, group: any EventLoopGroup) throws {
        self.settings = settings
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.decompression = .disabled
        configuration.timeout.connect = .nanoseconds(settings.connectTimeout.nanoseconds)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.connectionsMax
        // A refused connection is known at once; whether to try again is not the transport's to decide.
        configuration.connectionPool.retryConnectionEstablishment = false
        if let caFile = settings.caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.file(caFile)]
            configuration.tlsConfiguration = tls
        }
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// Closes all connections. To be called once, last.
    public func shutdown() async {
        try? await client.shutdown()
    }

    public func attempt(
        _ attempt: Attempt, receive: @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let response = try await execute(Self.message(for: attempt, settings))
        guard response.status == .ok else { throw await refusal(of: response) }
        guard response.headers["content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
            throw .malformed(reason: "it is compressed, which was not asked for")
        }
        let form = try Self.form(of: response, asked: attempt.form)
        try receive(.began(form))
        switch form {
        case .stream: try await Self.readStream(response.body, attempt, receive)
        case .body: try await Self.readBody(response.body, attempt, receive)
        }
    }

    private func execute(_ message: HTTPClientRequest) async throws(Failure) -> HTTPClientResponse {
        do {
            // The client's own deadline stops at the head (so it is no use for streams); ours covers everything.
            return try await client.execute(message, deadline: .distantFuture)
        } catch {
            throw Failure(transport: error, hasBegun: false)
        }
    }

    private static func message(for attempt: Attempt, _ settings: Settings) -> HTTPClientRequest {
        let request = attempt.request
        var message = HTTPClientRequest(url: settings.url + request.kind.upstreamPath)
        message.method = request.body == nil ? .GET : .POST
        message.headers = headers(
            keyed: request.headers, authorization: settings.apiKey.map { "Bearer \($0.revealed)" }
                ?? request.authorization?.revealed)
        message.headers.add(name: "accept", value: attempt.form == .stream ? "text/event-stream" : "application/json")
        if let body = request.body {
            message.headers.add(name: "content-type", value: "application/json")
            let asksOtherForm = (attempt.form == .stream) != (request.form == .stream)
            let edit = UpstreamBody(stream: asksOtherForm ? attempt.form == .stream : nil, includeUsage: attempt.includeUsage)
            message.body = .bytes(ByteBuffer(bytes: edit.bytes(of: body)))
        }
        return message
    }

    private static func headers(keyed: KeyedHeaders, authorization: String?) -> HTTPHeaders {
        var headers = HTTPHeaders()
        for (name, value) in keyed.present { headers.add(name: name, value: value) }
        if let authorization { headers.add(name: "authorization", value: authorization) }
        headers.add(name: "accept-encoding", value: "identity")
        headers.add(name: "user-agent", value: "samovar")
        return headers
    }

    /// What it answers in, by its content type; the form that was asked for where it names none.
    private static func form(of response: HTTPClientResponse, asked: Form) throws(Failure) -> Form {
        guard let type = response.headers.first(name: "content-type") else { return asked }
        switch type.prefix(while: { $0 != ";" }).lowercased().filter({ $0 != " " }) {
        case "text/event-stream": return .stream
        case "application/json": return .body
        default: throw .malformed(reason: "it is neither JSON nor an event stream")
        }
    }

    private func refusal(of response: HTTPClientResponse) async -> Failure {
        let status = Int(response.status.code)
        // A success that is no answer, or a redirect, which is not followed: nothing that a caller could act on.
        guard status >= 400 else { return .malformed(reason: "it has status \(status)") }
        var body: [UInt8] = []
        do {
            for try await piece in response.body {
                guard body.count + piece.readableBytes <= Self.refusalByteMax else { break }
                body.append(contentsOf: piece.readableBytesView)
            }
        } catch {
            // The status is the message; its words are a courtesy.
            body = []
        }
        let isPlain = response.headers["content-encoding"].isEmpty
        return .refused(
            Failure.Refusal(
                status: status, contentType: response.headers.first(name: "content-type"), body: isPlain ? body : [],
                retryAfter: response.headers.first(name: "retry-after").flatMap {
                    RetryAfter.duration($0, now: SystemClock().wallNow)
                }))
    }

    // MARK: Reading

    private static func readStream(
        _ body: HTTPClientResponse.Body, _ attempt: Attempt, _ receive: (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let (limit, byteMax) = attempt.limits.sizeMax(of: .stream)
        var decoder = EventDecoder(eventSizeMax: byteMax)
        var byteCount = 0
        var keepAliveCount = 0
        var pieces = body.makeAsyncIterator()
        while let piece = try await next(&pieces) {
            let events: [ServerSentEvent]
            do {
                events = try decoder.feed(piece.readableBytesView)
            } catch {
                throw .tooLarge(limit: limit)
            }
            if decoder.keepAliveCount > keepAliveCount {
                keepAliveCount = decoder.keepAliveCount
                try receive(.keepAlive)
            }
            for event in events {
                byteCount += event.raw.count
                guard byteCount <= byteMax else { throw .tooLarge(limit: limit) }
                try handOver(event, attempt, receive)
            }
        }
        // Some end without the last blank line; what does not parse then was cut.
        guard let last = decoder.finish() else { return }
        do {
            try handOver(last, attempt, receive)
        } catch .malformed {
            throw .cut
        }
    }

    private static func handOver(
        _ event: ServerSentEvent, _ attempt: Attempt, _ receive: (AttemptEvent) throws(Failure) -> Void
    ) throws(Failure) {
        let read = try EventReader.read(event, usageAsked: attempt.includeUsage)
        if let error = read.error { throw .erred(body: error) }
        try receive(.chunk(read.chunk, read.facts))
    }

    private static func readBody(
        _ body: HTTPClientResponse.Body, _ attempt: Attempt, _ receive: (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let (limit, byteMax) = attempt.limits.sizeMax(of: .body)
        var bytes: [UInt8] = []
        var pieces = body.makeAsyncIterator()
        while let piece = try await next(&pieces) {
            var piece = piece.readableBytesView[...]
            if bytes.isEmpty {
                // Blank lines before the body are how a busy provider keeps the connection open.
                let text = piece.drop { $0 == 0x0A || $0 == 0x0D || $0 == 0x20 }
                if text.isEmpty { try receive(.keepAlive) }
                piece = text
            }
            guard bytes.count + piece.count <= byteMax else { throw .tooLarge(limit: limit) }
            bytes.append(contentsOf: piece)
        }
        let read = try BodyReader.read(bytes, kind: attempt.request.kind)
        try receive(.chunk(read.chunk, read.facts))
    }

    private static func next(_ pieces: inout HTTPClientResponse.Body.AsyncIterator) async throws(Failure) -> ByteBuffer? {
        do {
            return try await pieces.next()
        } catch {
            throw Failure(transport: error, hasBegun: true)
        }
    }

    // MARK: Passing through

    public func pass(
        _ request: PassRequest, began: @Sendable (PassReply) async throws -> Void,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        var message = HTTPClientRequest(url: Self.joined(settings.url, request.target))
        message.method = HTTPMethod(rawValue: request.method)
        message.headers = Self.headers(
            keyed: request.headers, authorization: settings.apiKey.map { "Bearer \($0.revealed)" }
                ?? request.authorization?.revealed)
        if let type = request.contentType { message.headers.add(name: "content-type", value: type) }
        if let accept = request.accept { message.headers.add(name: "accept", value: accept) }
        if !request.body.isEmpty { message.body = .bytes(ByteBuffer(bytes: request.body)) }
        let response = try await execute(message)
        try await began(
            PassReply(
                status: Int(response.status.code), contentType: response.headers.first(name: "content-type"),
                retryAfter: response.headers.first(name: "retry-after")))
        var pieces = response.body.makeAsyncIterator()
        while let bytes = try await Self.next(&pieces) { try await piece(Array(bytes.readableBytesView)) }
    }

    /// The upstream's address for a path of ours; never with `/v1` twice.
    static func joined(_ url: String, _ target: String) -> String {
        url.hasSuffix("/v1") && target.hasPrefix("/v1/") ? url + target.dropFirst(3) : url + target
    }
}

extension Failure {
    /// What a transport's error means to a caller. Never carries the error's own text, which may hold an address.
    init(transport error: any Error, hasBegun: Bool) {
        if let failure = error as? Failure {
            self = failure
            return
        }
        guard !hasBegun else {
            self = .cut
            return
        }
        switch error as? HTTPClientError {
        case .connectTimeout?, .getConnectionFromPoolTimeout?: self = .unreachable(reason: "connect_timeout passed")
        case .tlsHandshakeTimeout?: self = .unreachable(reason: "the TLS handshake took too long")
        case .remoteConnectionClosed?: self = .cut
        default:
            if error is NIOSSLError || error is NIOSSLExtraError {
                self = .unreachable(reason: "its certificate or TLS could not be verified")
            } else if error is NIOConnectionError || error is IOError {
                self = .unreachable(reason: "the connection was refused or its name is unknown")
            } else {
                self = .cut
            }
        }
    }
}
