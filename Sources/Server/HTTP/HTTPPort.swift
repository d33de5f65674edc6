import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarEngine
import SamovarWire

#if canImport(Glibc)
    import Glibc
#endif

/// The data port: listens and builds a pipeline for each connection.
///
///     bytes ─▶ ConnectionPace ─▶ decoder ─▶ FrontHandler ─▶ bytes
public struct HTTPPort: Sendable {
    private let front: Front
    public let listener: Listener

    public init(front: Front) {
        self.front = front
        listener = Listener(connectionsMax: front.currentSettings.connectionsMax)
    }

    /// Starts to listen; returns the address with its port.
    public func start(_ address: ListenAddress, group: any EventLoopGroup) async throws -> String {
        let front = front
        var isUnix = false
        if case .unix = address { isUnix = true }
        return try await listener.start(address, group: group, refuse: Refusal.setUp) { [isUnix] channel in
            var settings = front.currentSettings
            settings.names.anyHost = isUnix
            try Self.setUp(channel, front, settings, isUnix: isUnix)
        }
    }

    private static func setUp(
        _ channel: any Channel, _ front: Front, _ settings: FrontSettings, isUnix: Bool
    ) throws {
        if !isUnix { limitUnacknowledged(channel, settings.writeTimeout) }
        let box = HandlerBox()
        let pace = ConnectionPace(
            limits: settings.pace, clock: front.clock, tooSlow: { _ in box.handler?.tooSlow() },
            padded: { _ in box.handler?.padded() })
        let handler = FrontHandler(front: front, settings: settings, pace: pace, eventLoop: channel.eventLoop)
        box.handler = handler
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(pace)
        try pipeline.addHandler(ByteToMessageHandler(decoder(settings)))
        try pipeline.addHandler(handler)
    }

    private static func decoder(_ settings: FrontSettings) -> HTTPRequestDecoder {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = settings.headerSizeMax
        limits.maxHeaderListSize = settings.headerSizeMax
        limits.maxHeaderFieldCount = settings.assembly.headerCountMax
        return HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
    }

    /// A peer that acknowledges nothing is dead: without this the kernel goes on for a quarter of an hour.
    private static func limitUnacknowledged(_ channel: any Channel, _ timeout: Duration) {
        guard let options = channel.syncOptions else { return }
        let option = ChannelOptions.Types.SocketOption(
            level: .init(IPPROTO_TCP), name: .init(TCP_USER_TIMEOUT))
        try? options.setOption(option, value: .init(min(timeout.milliseconds, Int64(Int32.max))))
    }

    /// The pace handler comes first in the pipeline and speaks to the last one in it.
    private final class HandlerBox {
        weak var handler: FrontHandler?
    }
}
