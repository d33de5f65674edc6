import SamovarCore
import SamovarWire

/// What was agreed on in HELLO, and how this connection's requests are read by it.
struct BinarySession {
    private(set) var features: Features = []
    private(set) var isAdmin = false
    /// The credit with which each reply begins, in bytes.
    private(set) var window = 0
    var caller = BinaryCaller()

    /// Before HELLO nothing is allowed.
    init() {}

    init(_ reply: HelloReply, authorization: Secret?) {
        features = reply.features.subtracting(.admin)
        isAdmin = reply.features.contains(.admin)
        window = Int(reply.window)
        caller = BinaryCaller(authorization: authorization)
    }

    /// A request as it was read from its frame.
    enum Asked {
        /// - digest: what the body must hash to, where the client says so.
        case ask(Request.Arrival, digest: Digest256?, events: Bool)
        case digest(Request.Arrival, Digest256, events: Bool)
        case put(Request.Arrival, Form, answer: [UInt8], ttl: Duration?)
        case invalidate(Invalidate.Target, Request.Arrival?, what: [UInt8])
        case warm(Request.Arrival, digest: Digest256?)
        case stats
    }

    func read(_ opcode: Opcode, _ payload: RawSpan, limits: BinaryLimits) throws(ProtocolError) -> Asked {
        switch opcode {
        case .ask:
            let (ask, body) = try Ask.read(payload, features: features, limits: limits)
            return .ask(
                arrival(ask, payload.array(body)), digest: ask.metadata.bodyDigest.map { Digest256(bytes: $0.bytes) },
                events: ask.options.contains(.events))
        case .askDigest:
            guard features.contains(.digest) else { throw ProtocolError(.featureNotAgreed, .opcode) }
            let (ask, digest) = try Ask.readDigest(payload, features: features, limits: limits)
            return .digest(
                arrival(ask, nil), Digest256(bytes: payload.extracting(digest)),
                events: ask.options.contains(.events))
        case .put:
            let (put, body, answer) = try Put.read(payload, limits: limits)
            var arrival = Request.Arrival(kind: put.kind, body: put.kind == .models ? nil : payload.array(body))
            arrival.headers = put.metadata.keyedHeaders
            arrival.authorization = caller.authorization
            return .put(
                arrival, put.form, answer: payload.array(answer), ttl: put.ttl == 0 ? nil : .seconds(put.ttl))
        case .invalidate:
            let (invalidate, what) = try Invalidate.read(payload, limits: limits)
            var arrival: Request.Arrival?
            if case .body(let kind, let metadata) = invalidate.target {
                arrival = Request.Arrival(kind: kind, body: kind == .models ? nil : payload.array(what))
                arrival?.headers = metadata.keyedHeaders
                arrival?.authorization = caller.authorization
            }
            return .invalidate(invalidate.target, arrival, what: payload.array(what))
        case .warm:
            let (ask, body) = try Ask.readWarm(payload, limits: limits)
            var arrival = arrival(ask, payload.array(body))
            // Nobody waits for the answer.
            arrival.requestClass = .prewarm
            return .warm(
                arrival, digest: ask.metadata.bodyDigest.map { Digest256(bytes: $0.bytes) })
        case .stats: return .stats
        default: throw ProtocolError(.unknownOpcode, .opcode)
        }
    }

    private func arrival(_ ask: Ask, _ body: [UInt8]?) -> Request.Arrival {
        var arrival = Request.Arrival(kind: ask.kind, body: ask.kind == .models ? nil : body)
        arrival.headers = ask.metadata.keyedHeaders
        arrival.controls = ask.controls
        arrival.timeout = ask.timeout
        arrival.showsTenant = ask.options.contains(.showTenant)
        arrival.authorization = caller.authorization
        return arrival
    }
}

extension RawSpan {
    fileprivate func array(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBytes { Array($0) }
    }
}
