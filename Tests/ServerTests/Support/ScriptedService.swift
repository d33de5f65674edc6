import SamovarCore
import SamovarEngine
import SamovarWire

@testable import SamovarServer

/// A process behind the connections that answers as the test says: what is stored it answers at once, by the model's
/// name; everything else it hands over to the test. A stream is made of a stored body only where the name ends in `*`.
final class ScriptedService: HTTPService, BinaryService {
    struct Counts: Equatable {
        var refused = 0
        var lagged = 0
    }

    private struct State {
        var stored: [String: Recording]
        var remembered: [Digest256: [UInt8]] = [:]
        var counts = Counts()
    }

    /// Asked for under this name, a request is refused before it is served.
    static let refusedModel = "refused"
    static let adminToken = "the admin's"
    private static let routes = RouteTable(routes: [Route()])
    private let state: Lock<State>

    init(_ stored: [String: Recording] = [:]) { state = Lock(State(stored: stored)) }

    var counts: Counts { state.withLock { $0.counts } }

    func remember(_ digest: SentBodyDigest, _ body: [UInt8]) {
        state.withLock { $0.remembered[Digest256(bytes: digest.bytes)] = body }
    }

    func call(_ arrival: Request.Arrival, digest: Digest256?, from front: DataFront, at now: Instant) -> Served {
        let request: Request
        do throws(RequestError) {
            request = try Request(arrival, routes: Self.routes)
        } catch {
            refused(at: front, since: now)
            return .failed(FailedReply(error))
        }
        if request.model == Self.refusedModel {
            refused(at: front, since: now)
            return .failed(FailedReply(ErrorCode.noRoute))
        }
        if let recording = state.withLock({ $0.stored[request.model] }),
            request.form == .body || recording.form == .stream || request.model.hasSuffix("*")
        {
            return .hit(Self.answer(recording, at: now), Self.provenance, request)
        }
        return .serve(
            .ask(request), hidesCredential: false, timeout: request.timeout, streams: request.form == .stream)
    }

    func recall(_ arrival: Request.Arrival, _ digest: Digest256, at now: Instant) -> Served? {
        guard let body = state.withLock({ $0.remembered[digest] }) else { return nil }
        var arrival = arrival
        arrival.body = body
        return call(arrival, digest: digest, from: .binary, at: now)
    }

    func pass(_ head: RequestHead, _ body: [UInt8], at now: Instant) -> Served {
        let request = PassRequest(
            method: head.method, target: head.target, contentType: nil, accept: nil, headers: KeyedHeaders(),
            authorization: nil, body: body)
        return .serve(.pass(request, to: nil), hidesCredential: false, timeout: nil, streams: false)
    }

    func admits(adminToken: Secret?) -> Bool? {
        guard let adminToken else { return false }
        return adminToken.revealed == Self.adminToken ? true : nil
    }

    func order(_ order: Order, at now: Instant) -> Served {
        .serve(.stats, hidesCredential: true, timeout: nil, streams: false)
    }

    func facts(_ request: Request, _ provenance: Provenance, since startedAt: Instant) -> SamovarServer.AnswerFacts {
        AnswerFacts(
            provenance: provenance, form: request.form, tenant: request.showsTenant ? request.tenant.label : nil,
            key: nil, startedAt: startedAt)
    }

    func recallPlain(
        _ digest: Digest256, _ kind: APIKind, _ caller: inout BinaryCaller, at now: Instant
    ) -> PlainHit? {
        guard
            case .hit(let stored, let provenance, let request)? = recall(
                Request.Arrival(kind: kind, body: nil), digest, at: now)
        else { return nil }
        return PlainHit(
            stored: stored, provenance: provenance, form: request.form, wantsUsage: request.wantsUsage,
            arm: request.arm)
    }

    func refused(at front: DataFront, since startedAt: Instant) { state.withLock { $0.counts.refused += 1 } }
    func tokenFailed(from address: String, at now: Instant) {}
    func lagged() { state.withLock { $0.counts.lagged += 1 } }

    static let provenance = Provenance(result: .l1Hit, age: .seconds(12), remaining: .seconds(3_588))

    static func answer(_ recording: Recording, at now: Instant) -> StoredAnswer {
        let answer = Answer(
            recording: recording, model: "", createdAt: WallTime(milliseconds: 0), generationTime: .seconds(1),
            usage: nil, ttl: .seconds(3_600), staleTTL: .zero)
        return StoredAnswer(answer, bornAt: now)
    }
}

extension FailedReply {
    /// Some error of this code.
    init(_ code: ErrorCode) {
        self.init(code, ErrorReply(status: code.status, message: "scripted", type: "scripted", code: code.name))
    }
}

extension SamovarServer.AnswerFacts {
    init(_ result: ServeResult, _ form: Form) {
        self.init(provenance: Provenance(result: result), form: form, tenant: nil, key: nil, startedAt: .zero)
    }
}

/// Answers whose bytes are known by their names.
enum Sample {
    /// A body of so many bytes.
    static func body(_ byteCount: Int) -> Recording {
        Recording(form: .body, usageAsked: false, chunks: [Chunk(bytes: text(byteCount))])
    }

    /// A stream of so many events of so many bytes each.
    static func stream(_ eventCount: Int, of byteCount: Int) -> Recording {
        Recording(form: .stream, usageAsked: false, chunks: (0..<eventCount).map { Chunk(bytes: event($0, byteCount)) })
    }

    static func bytes(_ recording: Recording) -> [UInt8] {
        guard let bytes = try? recording.rendered(withUsage: true) else { preconditionFailure("a sample is whole") }
        return bytes
    }

    static func event(_ index: Int, _ byteCount: Int) -> [UInt8] {
        let start = Array("data: \(index) ".utf8)
        return start + text(max(0, byteCount - start.count - 2)) + [0x0A, 0x0A]
    }

    static func text(_ byteCount: Int) -> [UInt8] {
        (0..<byteCount).map { UInt8(ascii: "a") + UInt8(($0 / 7 + $0) % 26) }
    }

    /// What is asked: the model's name decides what comes of it.
    static func question(_ model: String, stream: Bool = false) -> [UInt8] {
        Array(#"{"model":"\#(model)","messages":[]\#(stream ? #","stream":true"# : "")}"#.utf8)
    }
}
