import Foundation
import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarEngine
import SamovarWire

/// The admin port: health, readiness, metrics and figures. Everything here is a GET, and open on loopback.
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
        return try await listener.start(address, group: group, refuse: Refusal.overHTTP) { [names] channel in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(
                AdminPace(limits: ReadPace.Limits(), clock: source.clock))
            try pipeline.addHandler(HTTPResponseEncoder())
            try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
            try pipeline.addHandler(HTTPServerPipelineHandler())
            try pipeline.addHandler(AdminHandler(source: source, names: names))
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
    private var head: HTTPRequestHead?
    private var refusal: ErrorReply?

    init(source: AdminSource, names: RequestRules.Names) {
        self.source = source
        self.names = names
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            let rules = RequestRules(limits: RequestRules.Limits(bodySizeMax: 0), names: names)
            refusal = if case .refuse(let error) = rules.judge(RequestHead(head)) { error } else { nil }
        case .body: break
        case .end:
            guard let head = head.take() else { return }
            if let refusal { return send(Page(refusal), to: head, context) }
            send(page(head), to: head, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is LeaveEvent || event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private struct Page {
        var status: Int
        var contentType: String
        var body: [UInt8]

        init(status: Int = 200, contentType: String, body: [UInt8]) {
            self.status = status
            self.contentType = contentType
            self.body = body
        }

        init(_ error: ErrorReply) {
            self.init(status: error.status, contentType: error.contentType, body: error.body)
        }
    }

    private func page(_ head: HTTPRequestHead) -> Page {
        let plain = "text/plain; charset=utf-8"
        guard head.method == .GET || head.method == .HEAD else {
            return Page(
                ErrorReply(status: 405, message: "this port takes GET", type: "invalid_request_error", code: "method"))
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
