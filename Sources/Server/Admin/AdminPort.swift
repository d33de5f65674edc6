import Foundation
import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarEngine
import SamovarWire

/// The admin port: health, readiness, metrics and figures, open on loopback; and what changes what is kept, for
/// administrators.
public struct AdminPort: Sendable {
    private let source: AdminSource
    private let names: RequestRules.Names
    public let listener: Listener

    public init(source: AdminSource, names: RequestRules.Names) {
        self.source = source
        self.names = names
        listener = Listener(count: ConnectionCount(max: 64))
    }

    /// Starts to listen; returns the address with its port.
    public func start(_ address: ListenAddress, group: any EventLoopGroup) async throws -> String {
        var names = names
        if case .unix = address { names.anyHost = true }
        let source = source
        let access: AdminHandler.Access =
            if case .unix = address { .ownSocket } else { .token(FailedTokenCount()) }
        return try await listener.start(address, group: group, refuse: Refusal.overHTTP) { [names] channel in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(
                AdminPace(limits: ReadPace.Limits(), clock: source.clock))
            try pipeline.addHandler(HTTPResponseEncoder())
            try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
            try pipeline.addHandler(HTTPServerPipelineHandler())
            try pipeline.addHandler(AdminHandler(source: source, names: names, access: access))
        }
    }
}

extension AdminPort {
    /// What `/stats.json` shows.
    public static func stats(_ source: AdminSource) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(Stats(source))).map(Array.init) ?? []
    }
}

/// One connection of the admin port.
final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let source: AdminSource
    private let names: RequestRules.Names
    private let access: Access
    private var head: HTTPRequestHead?
    private var refusal: ErrorReply?
    private var body: [UInt8] = []

    /// Who may change things.
    enum Access: Sendable {
        /// Whoever may open the socket's file.
        case ownSocket
        /// Who shows the admin token.
        case token(FailedTokenCount)
    }

    /// What is to be changed is named in no more bytes.
    static let bodySizeMax = 8 << 20

    init(source: AdminSource, names: RequestRules.Names, access: Access) {
        self.source = source
        self.names = names
        self.access = access
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
            let limits = RequestRules.Limits(bodySizeMax: isChange(head) ? Self.bodySizeMax : 0)
            let rules = RequestRules(limits: limits, names: names)
            refusal = if case .refuse(let error) = rules.judge(RequestHead(head)) { error } else { nil }
            if refusal == nil, isChange(head) { refusal = refusalOfChange(RequestHead(head), context) }
        case .body(let piece):
            guard refusal == nil, let head, isChange(head) else { return }
            guard body.count + piece.readableBytes <= Self.bodySizeMax else {
                refusal = ErrorReply(
                    status: 413, message: "more than \(Self.bodySizeMax) bytes", type: "invalid_request_error",
                    code: "body_size_max")
                return
            }
            body += piece.readableBytesView
        case .end:
            guard let head = head.take() else { return }
            if let refusal { return send(Page(refusal), to: head, context) }
            if isChange(head) { change(head, context) } else { send(page(head), to: head, context) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is LeaveEvent || event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Changes

    private func isChange(_ head: HTTPRequestHead) -> Bool { head.method == .POST && head.uri == "/invalidate" }

    /// Why this peer may change nothing.
    private func refusalOfChange(_ head: RequestHead, _ context: ChannelHandlerContext) -> ErrorReply? {
        guard case .token(let failures) = access else { return nil }
        func refusal(_ status: Int, _ message: String) -> ErrorReply {
            ErrorReply(status: status, message: message, type: "invalid_request_error", code: "admin_token")
        }
        guard let expected = source.adminToken() else {
            return refusal(403, "changes over TCP need an admin token (listen.admin_token_env), and none is set")
        }
        let address = context.remoteAddress?.ipAddress ?? ""
        let now = source.clock.now
        guard failures.admits(address, at: now) else { return refusal(429, "too many wrong tokens; wait a second") }
        let scheme = "bearer "
        let shown = head.values("authorization")
        guard shown.count == 1, shown[0].prefix(scheme.count).lowercased() == scheme,
            expected.isSame(as: Secret(String(shown[0].dropFirst(scheme.count))))
        else {
            failures.failed(address, at: now)
            return refusal(401, "Authorization: the admin token is wrong, or missing")
        }
        return nil
    }

    private func change(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let (source, body) = (source, body)
        self.body = []
        // The connection is its parent: what it asked for is done even if it goes, and takes no longer than Redis may.
        let done = context.eventLoop.makeFutureWithTask { () -> Page in
            do throws(InvalidationError) {
                return Page(try await source.invalidate(Invalidation(body)))
            } catch {
                return Page(
                    ErrorReply(
                        status: 400, message: error.message, type: "invalid_request_error", code: "invalidation"))
            }
        }
        done.assumeIsolated().whenSuccess { page in self.send(page, to: head, context) }
    }

    private struct Page: Sendable {
        var status: Int
        var contentType: String
        var body: [UInt8]

        init(status: Int = 200, contentType: String, body: [UInt8]) {
            self.status = status
            self.contentType = contentType
            self.body = body
        }

        init(_ action: Pipeline.InvalidateAction) {
            let text = "{\"removed\":\(action.count),\"shared\":\(action.isShared)}\n"
            self.init(contentType: "application/json", body: Array(text.utf8))
        }

        init(_ error: ErrorReply) {
            self.init(status: error.status, contentType: error.contentType, body: error.body)
        }
    }

    private func page(_ head: HTTPRequestHead) -> Page {
        let plain = "text/plain; charset=utf-8"
        guard head.method == .GET || head.method == .HEAD else {
            return Page(
                ErrorReply(
                    status: 405, message: "this port takes GET, and POST /invalidate", type: "invalid_request_error",
                    code: "method"))
        }
        switch head.uri {
        case "/healthz", "/livez": return Page(contentType: plain, body: Array("ok\n".utf8))
        case "/readyz":
            // Whether Redis or an upstream is there says nothing about whether callers are served.
            return source.isReady()
                ? Page(contentType: plain, body: Array("ready\n".utf8))
                : Page(status: 503, contentType: plain, body: Array("draining\n".utf8))
        case "/metrics":
            return Page(
                contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(PrometheusText(source).text.utf8))
        case "/stats.json": return Page(contentType: "application/json", body: AdminPort.stats(source))
        default:
            return Page(ErrorReply(status: 404, message: "unknown path", type: "invalid_request_error", code: "path"))
        }
    }

    private func send(_ page: Page, to request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders([
            ("content-type", page.contentType), ("content-length", String(page.body.count)),
            ("cache-control", "no-store"),
        ])
        let closes = !request.isKeepAlive || page.status >= 400
        if closes { headers.add(name: "connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: page.status)
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: page.body)))), promise: nil)
        }
        let done = context.eventLoop.makePromise(of: Void.self)
        if closes { done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) } }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }
}

/// Wrong tokens of one listener. Drives `FailedTokens`.
final class FailedTokenCount: Sendable {
    private let machine = Lock(FailedTokens())

    func admits(_ address: String, at now: Instant) -> Bool { machine.withLock { $0.admits(address, at: now) } }
    func failed(_ address: String, at now: Instant) { machine.withLock { $0.failed(address, at: now) } }
}
