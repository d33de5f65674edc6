import NIOCore
import SamovarCore
import SamovarEngine
import SamovarWire

#if canImport(Glibc)
    import Glibc
#endif

/// The data port of the OpenAI-compatible API: listens, and gives each connection its machine.
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
            if !isUnix { Self.limitUnacknowledged(channel, settings.writeTimeout) }
            let machine = HTTPConnection(service: front, settings: settings, at: front.clock.now)
            try channel.pipeline.syncOperations.addHandler(
                ConnectionHandler(machine, front: front, eventLoop: channel.eventLoop))
        }
    }

    /// A peer that acknowledges nothing is dead: without this the kernel goes on for a quarter of an hour.
    private static func limitUnacknowledged(_ channel: any Channel, _ timeout: Duration) {
        guard let options = channel.syncOptions else { return }
        let option = ChannelOptions.Types.SocketOption(
            level: .init(IPPROTO_TCP), name: .init(TCP_USER_TIMEOUT))
        try? options.setOption(option, value: .init(min(timeout.milliseconds, Int64(Int32.max))))
    }
}

extension HTTPConnection {
    init(service: Service, settings: FrontSettings, at now: Instant) {
        let limits = HeadParser.Limits(
            headerSizeMax: settings.headerSizeMax, headerCountMax: settings.requestLimits.headerCountMax)
        self.init(
            service: service,
            limits: Limits(writeTimeout: settings.writeTimeout, keepAliveInterval: settings.keepAliveInterval),
            decoder: RequestDecoder(
                rules: RequestRules(limits: settings.requestLimits, names: settings.names), limits: limits),
            pace: ReadPace(limits: settings.pace, at: now),
            requestIDs: RequestIDs())
    }
}
