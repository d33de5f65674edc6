import SamovarCore
import SamovarEngine
import SamovarWire

/// What connections ask of the process behind them. `Front` in the daemon.
protocol CallService: Sendable {
    /// A call of the API: answered out of memory, refused, or to be served.
    ///
    /// - Parameter digest: what the caller says that its body hashes to; then the digest alone will do the next time.
    func call(_ arrival: Request.Arrival, digest: Digest256?, from front: DataFront, at now: Instant) -> Served
    /// How a stored answer is told, beside its bytes.
    func facts(_ request: Request, _ provenance: Provenance, since startedAt: Instant) -> AnswerFacts
    /// Counts an error that the connection found by itself.
    func refused(at front: DataFront, since startedAt: Instant)
    /// A peer of this address has shown a wrong token, or none where one is asked for.
    func tokenFailed(from address: String, at now: Instant)
}

/// What HTTP connections ask beside.
protocol HTTPService: CallService {
    /// Anything that is no call of the API: refused, or to be passed through.
    func pass(_ head: RequestHead, _ body: [UInt8], at now: Instant) -> Served
}

/// What becomes of a request.
enum Served {
    case hit(StoredAnswer, Provenance, Request)
    case failed(FailedReply)
    /// - Parameters:
    ///   - timeout: the caller's own, counted from now.
    ///   - streams: the caller is not to be left without a byte for long.
    case serve(Handover.Job, hidesCredential: Bool, timeout: Duration?, streams: Bool)
}
