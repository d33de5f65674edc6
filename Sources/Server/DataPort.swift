import NIOCore
import NIOSSL
import SamovarCore
import SamovarEngine
import SamovarWire

#if canImport(Glibc)
    import Glibc
#endif

/// Who drives the connections of a data port.
public enum PortDriver: String, CaseIterable, Sendable {
    /// A channel handler: any address, with or without TLS; misses stay on the thread on which they came.
    case nio
    /// An epoll loop: plain TCP and Unix sockets on Linux; the least that a hit can cost.
    case epoll
}

/// A port for applications: what it speaks, and who drives its connections. The machines do not know which.
public struct DataPort: Sendable {
    private let front: Front
    private let count: ConnectionCount
    private let channels: Listener
    private let loops: EpollLoops?
    private let tls: PortTLS?

    /// - Parameters:
    ///   - count: of all ports that share `connections_max`.
    ///   - loops: for ports that are driven by epoll.
    ///   - tls: for all TCP ports. TLS is a channel handler's, so `nio` drives them whatever they ask for.
    public init(front: Front, count: ConnectionCount, loops: EpollLoops?, tls: PortTLS? = nil) {
        self.front = front
        self.count = count
        self.loops = loops
        self.tls = tls
        channels = Listener(count: count)
    }

    /// Listens for callers of the OpenAI-compatible API. Returns the address with its port.
    public func startHTTP(
        _ address: ListenAddress, driver: PortDriver, group: any EventLoopGroup
    ) async throws -> String {
        var isUnix = false
        if case .unix = address { isUnix = true }
        let front = front
        return try await start(
            address, driver: driver, group: group, words: Refusal.inHTTP, refuse: Refusal.overHTTP
        ) { [isUnix] guarding, now in
            var settings = front.currentSettings
            settings.names.anyHost = isUnix
            return HTTPConnection(service: front, settings: settings, guarding, at: now)
        }
    }

    /// Listens for clients of the binary protocol. Returns the address with its port.
    public func startBinary(
        _ address: ListenAddress, driver: PortDriver, group: any EventLoopGroup
    ) async throws -> String {
        let front = front
        return try await start(
            address, driver: driver, group: group, words: Refusal.inBinary, refuse: Refusal.overBinary
        ) { guarding, now in
            BinaryConnection(service: front, settings: .init(front.currentSettings, guarding), at: now)
        }
    }

    private func start<Machine: ConnectionMachine>(
        _ address: ListenAddress, driver: PortDriver, group: any EventLoopGroup, words: [UInt8],
        refuse: @escaping Listener.Setup, machine: @escaping @Sendable (Guarding, Instant) -> Machine
    ) async throws -> String {
        var isUnix = false
        if case .unix = address { isUnix = true }
        let tls = isUnix ? nil : tls
        if driver == .epoll, tls == nil, let loops {
            return try await loops.listen(address, count: count, refusal: words) { machine(Guarding(), $0) }
        }
        let front = front
        return try await channels.start(address, group: group, refuse: refuse) { [isUnix] channel in
            if !isUnix { Self.limitUnacknowledged(channel, front.currentSettings.writeTimeout) }
            var guarding = Guarding()
            if let tls {
                guarding.accessToken = front.currentSettings.accessToken
                guarding.peerAddress = channel.remoteAddress?.ipAddress ?? "unknown"
                guard front.admits(guarding.peerAddress ?? "") else {
                    _ = channel.close(mode: .all)
                    return
                }
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.context))
            }
            let handler = ConnectionHandler(
                machine(guarding, front.clock.now), front: front, eventLoop: channel.eventLoop)
            try channel.pipeline.syncOperations.addHandler(handler)
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

extension DataPort: PortListener {
    public func stopAccepting() async {
        await channels.stopAccepting()
        await loops?.stopAccepting()
    }

    public func leave() {
        channels.leave()
        loops?.leave()
    }

    public func closeAll() async {
        await channels.closeAll()
        await loops?.closeAll()
    }
}

extension HTTPConnection {
    init(service: Service, settings: FrontSettings, _ guarding: Guarding, at now: Instant) {
        let limits = HeadParser.Limits(
            headerSizeMax: settings.headerSizeMax, headerCountMax: settings.requestLimits.headerCountMax)
        self.init(
            service: service,
            limits: Limits(writeTimeout: settings.writeTimeout, keepAliveInterval: settings.keepAliveInterval),
            decoder: RequestDecoder(
                rules: RequestRules(
                    limits: settings.requestLimits, names: settings.names, accessToken: guarding.accessToken),
                limits: limits),
            pace: ReadPace(limits: settings.pace, at: now),
            requestIDs: RequestIDs(), peerAddress: guarding.peerAddress)
    }
}

extension BinaryConnection.Settings {
    init(_ settings: FrontSettings, _ guarding: Guarding = Guarding()) {
        self.init()
        self.guarding = guarding
        limits = settings.binaryLimits
        followerLagMax = settings.followerLagMax
        headerTimeout = settings.pace.headerTimeout
        idleTimeout = settings.pace.idleTimeout
        writeTimeout = settings.writeTimeout
        keepAliveInterval = settings.keepAliveInterval
        pace = settings.pace
        grace = settings.drainGrace
    }
}
