import NIOCore
import SamovarCore

/// Drives `ClientConnection` as a channel handler: reads, feeds, writes once for everything that was read at once.
///
/// Lives on the channel's event loop; nothing in it is shared.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What the driver has in it.
    enum Role {
        /// Being greeted.
        case tried
        /// New requests go here.
        case current
        /// Finishes what it has.
        case left
    }

    /// The driver's to set.
    var role = Role.tried
    private let driver: ClientDriver
    private let settings: ClientConnection.Settings
    /// There from the moment at which the connection is.
    private(set) var machine: ClientConnection?
    private var turn = ClientTurn()
    private var calls: [UInt64: Call] = [:]
    private var context: ChannelHandlerContext?
    private var isReading = false
    private var hasWritten = false

    /// What is kept allocated between turns.
    private static let outputKeptMax = 64 << 10

    init(_ driver: ClientDriver, settings: ClientConnection.Settings) {
        self.driver = driver
        self.settings = settings
    }

    /// Whether another request may be written: there is a place, and the socket takes bytes.
    var canSend: Bool { machine?.hasPlace == true && context?.channel.isWritable == true }
    var wakeAt: Instant { machine?.wakeAt ?? .never }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { greet() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: What happens on the channel

    func channelActive(context: ChannelHandlerContext) {
        greet()
        context.fireChannelActive()
    }

    private func greet() {
        guard machine == nil else { return }
        machine = ClientConnection(settings: settings, at: driver.now, into: &turn)
        driver.opened(self)
        perform()
        driver.changed(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let bytes = unwrapInboundIn(data)
        machine?.received(bytes.readableBytesUInt8Span.bytes, at: driver.now, into: &turn)
        perform()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        driver.changed(self)
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        driver.changed(self)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        inputEnded()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        inputEnded()
        context.close(promise: nil)
    }

    private func inputEnded() {
        isReading = false
        machine?.inputEnded(into: &turn)
        perform()
        driver.changed(self)
    }

    // MARK: What the driver wants

    /// - Throws: where it cannot be sent here.
    func send(_ call: Call) throws(SamovarClient.Failure) -> UInt64 {
        guard let id = try machine?.send(call.question, at: driver.now, into: &turn) else {
            preconditionFailure("the driver has asked whether there is a place")
        }
        calls[id] = call
        perform()
        return id
    }

    func cancel(_ id: UInt64) {
        machine?.cancel(id, at: driver.now, into: &turn)
        perform()
    }

    func consumed(_ id: UInt64, _ byteCount: Int) {
        machine?.consumed(id, byteCount, at: driver.now, into: &turn)
        perform()
    }

    func tick() {
        machine?.tick(at: driver.now, into: &turn)
        perform()
    }

    /// Ends all requests with this failure. The caller closes the channel.
    func end(_ failure: SamovarClient.Failure) {
        machine?.close(failure, into: &turn)
        perform()
    }

    func close() { context?.close(promise: nil) }

    /// Sends what was written, once whoever writes is done.
    func flush() {
        guard hasWritten, !isReading else { return }
        hasWritten = false
        context?.flush()
    }

    // MARK: Carrying out

    private func perform() {
        if !turn.output.isEmpty, let context {
            hasWritten = true
            context.write(wrapOutboundOut(context.channel.allocator.buffer(bytes: turn.output)), promise: nil)
        }
        turn.output.removeAll(keepingCapacity: turn.output.capacity <= Self.outputKeptMax)
        guard !turn.news.isEmpty else { return }
        let news = turn.news
        turn.news.removeAll(keepingCapacity: true)
        for item in news {
            guard let call = calls[item.id] else { continue }
            if item.event.isEnd {
                calls[item.id] = nil
                driver.forget(call)
            }
            call.deliver(item.event)
        }
    }
}
