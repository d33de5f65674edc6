import SamovarCore
import SamovarWire

/// What binary connections ask of the process behind them. `Front` in the daemon.
protocol BinaryService: CallService {
    /// Whether a client with this token is an administrator; nil: it says so and is none.
    func admits(adminToken: Secret?) -> Bool?
    /// A call of which only the digest of its body came; nil where the body is needed.
    func recall(_ arrival: Request.Arrival, _ digest: Digest256, at now: Instant) -> Served?
    /// The same, for a question with no option and no field: the answer where it is in memory, without anything that
    /// a hit does not need. Nil says nothing: `recall` knows more.
    func recallPlain(_ digest: Digest256, _ kind: APIKind, _ caller: inout BinaryCaller, at now: Instant) -> PlainHit?
    /// What an administrator asks: refused, or to be served.
    func order(_ order: Order, at now: Instant) -> Served
    /// Counts a reader that did not keep up.
    func lagged()
}

/// What only an administrator may ask.
enum Order: Sendable {
    case put(Request.Arrival, Form, answer: [UInt8], ttl: Duration?)
    case invalidate(Request.Arrival)
    /// All of a namespace, a model or a tenant, by its name; the connection's authorization says what is its own.
    case invalidateScope(Invalidate.Target, name: String, authorization: Secret?)
    case warm(Request.Arrival, digest: Digest256?)
    case stats
}

/// Whose questions come on a connection.
struct BinaryCaller {
    /// Its own, for all its requests.
    var authorization: Secret?
    /// Who that is by these routes.
    var tenant: Tenant?
    var routes: RouteTable?

    init(authorization: Secret? = nil) { self.authorization = authorization }
}

/// An answer out of memory, and how it was asked for.
struct PlainHit {
    let stored: StoredAnswer
    let provenance: Provenance
    let form: Form
    let wantsUsage: Bool
    /// Of its route's split, where that is split.
    let arm: SplitArm?
}
