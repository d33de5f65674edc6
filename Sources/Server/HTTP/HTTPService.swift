import SamovarCore
import SamovarWire

/// What HTTP connections ask of the process behind them. `Front` in the daemon.
protocol HTTPService: Sendable {
    /// A call of the API: answered out of memory, refused, or to be served.
    func call(_ arrival: Request.Arrival, at now: Instant) -> Served
    /// Anything else: refused, or to be passed through.
    func pass(_ head: RequestHead, _ body: [UInt8], at now: Instant) -> Served
    /// Counts an error that the connection found by itself.
    func refused(_ error: ErrorReply, since startedAt: Instant, at now: Instant)
}

/// What becomes of a request.
enum Served {
    case reply(FullReply)
    /// - Parameters:
    ///   - timeout: the caller's own, counted from now.
    ///   - streams: the caller is not to be left without a byte for long.
    case serve(Ask.Job, hidesCredential: Bool, timeout: Duration?, streams: Bool)
}
