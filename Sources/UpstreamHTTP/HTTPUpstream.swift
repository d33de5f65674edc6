import AsyncHTTPClient
import Foundation
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
/// followed, certificates are verified, and compression is not asked for. Deadlines are the engine's: a call that it
/// gives up closes the connection behind it, which is never reused.
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

    private let settings: Settings
    private let clients: LoopClients
    /// Without headers and body. Made once: taking a URL apart is dear.
    private let blanks: [APIKind: HTTPClient.Request]

    public init(_ settings: Settings, group: any EventLoopGroup) {
        self.settings = settings
        let known = APIKind.allCases.compactMap { kind in
            (try? HTTPClient.Request(
                url: settings.url + kind.upstreamPath, method: kind == .models ? .GET : .POST)).map { (kind, $0) }
        }
        blanks = Dictionary(uniqueKeysWithValues: known)
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.decompression = .disabled
        configuration.tracing.tracer = nil
        configuration.timeout.connect = .nanoseconds(settings.connectTimeout.nanoseconds)
        // A refused connection is known at once; whether to try again is not the transport's to decide.
        configuration.connectionPool.retryConnectionEstablishment = false
        if let caFile = settings.caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.file(caFile)]
            configuration.tlsConfiguration = tls
        }
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture { try WholeRequestWriter.install(on: channel) }
        }
        clients = LoopClients(group: group, connectionsMax: settings.connectionsMax, configuration: configuration)
    }

    /// Closes all connections. To be called once, last.
    public func shutdown() async {
        await clients.shutdown()
    }

    public func attempt(
        _ attempt: Attempt, for caller: Caller,
        receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let reader = AnswerReader(attempt, receive: receive)
        let message = try message(for: attempt)
        let seat = clients.take()
        defer { clients.giveBack(seat) }
        // No deadline: the client's own stops at the head (so it is no use for streams); the engine's covers
        // everything.
        let call = seat.client.execute(request: message, delegate: reader, eventLoop: .delegate(on: seat.eventLoop))
        caller.whenGone { call.cancel() }
        do {
            try await call.get()
        } catch {
            throw reader.failure(after: error)
        }
    }

    private func message(for attempt: Attempt) throws(Failure) -> HTTPClient.Request {
        let request = attempt.request
        var headers = Self.headers(keyed: request.headers, authorization: authorization(request.authorization))
        headers.add(name: "accept", value: attempt.form == .stream ? "text/event-stream" : "application/json")
        guard var message = blanks[request.kind] else { throw .unreachable(reason: "its URL cannot be used") }
        if let body = request.body {
            headers.add(name: "content-type", value: "application/json")
            let asksOtherForm = (attempt.form == .stream) != (request.form == .stream)
            let edit = UpstreamBody(
                stream: asksOtherForm ? attempt.form == .stream : nil, includeUsage: attempt.includeUsage,
                model: request.route.modelInstead)
            message.body = .byteBuffer(ByteBuffer(bytes: edit.bytes(of: body)))
        }
        message.headers = headers
        return message
    }

    private func authorization(_ callers: Secret?) -> String? {
        settings.apiKey.map { "Bearer \($0.revealed)" } ?? callers?.revealed
    }

    private static func headers(keyed: KeyedHeaders, authorization: String?) -> HTTPHeaders {
        var headers = HTTPHeaders()
        for (name, value) in keyed.present { headers.add(name: name, value: value) }
        if let authorization { headers.add(name: "authorization", value: authorization) }
        headers.add(name: "accept-encoding", value: "identity")
        headers.add(name: "user-agent", value: "samovar")
        return headers
    }

    private static func next(_ pieces: inout HTTPClientResponse.Body.AsyncIterator) async throws(Failure) -> ByteBuffer?
    {
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
        message.headers = Self.headers(keyed: request.headers, authorization: authorization(request.authorization))
        if let type = request.contentType { message.headers.add(name: "content-type", value: type) }
        if let accept = request.accept { message.headers.add(name: "accept", value: accept) }
        if !request.body.isEmpty { message.body = .bytes(ByteBuffer(bytes: request.body)) }
        let seat = clients.take()
        defer { clients.giveBack(seat) }
        let response: HTTPClientResponse
        do {
            response = try await seat.client.execute(message, deadline: .distantFuture)
        } catch {
            throw Failure(transport: error, hasBegun: false)
        }
        guard response.headers["content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
            throw Failure.malformed(reason: "it is compressed, which was not asked for")
        }
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
