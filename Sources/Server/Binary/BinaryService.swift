import SamovarCore
import SamovarWire

/// What binary connections ask of the process behind them. `Front` in the daemon.
protocol BinaryService: CallService {
    /// Whether a client with these tokens may speak here, and whether as an administrator; nil: it may not.
    func admits(adminToken: Secret?, accessToken: Secret?) -> Bool?
    /// A call of which only the digest of its body came; nil where the body is needed.
    func recall(_ arrival: Request.Arrival, _ digest: Digest256, at now: Instant) -> Served?
    /// What an administrator asks: refused, or to be served.
    func order(_ order: Order, at now: Instant) -> Served
    /// Counts a reader that did not keep up.
    func lagged()
}

/// What only an administrator may ask.
enum Order: Sendable {
    case put(Request.Arrival, Form, answer: [UInt8], ttl: Duration?)
    case invalidate(Request.Arrival)
    case warm(Request.Arrival, digest: Digest256?)
    case stats
}
