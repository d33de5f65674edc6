import SamovarCore
import SamovarEngine
import SamovarWire

@testable import SamovarServer

/// A process that answers everything in the turn in which it is asked, so that what goes out is a function of what came
/// in, however that was cut.
struct InTurnService: HTTPService, BinaryService {
    /// Whether streams are answered: over the binary port their events take turns, so that their order is the driver's.
    let streams: Bool
    private static let routes = RouteTable(routes: [Route()])
    private static let failure = FailedReply(ErrorCode.noRoute)

    func call(_ arrival: Request.Arrival, digest: Digest256?, from front: DataFront, at now: Instant) -> Served {
        if let digest, let body = arrival.body, Digest256(of: body) != digest { return .failed(.digestMismatch) }
        do throws(RequestError) {
            let request = try Request(arrival, routes: Self.routes)
            guard streams || request.form == .body else { return .failed(Self.failure) }
            let recording = request.form == .stream ? Sample.stream(2, of: 40) : Sample.body(60)
            return .hit(ScriptedService.answer(recording, at: now), ScriptedService.provenance, request)
        } catch {
            return .failed(FailedReply(error))
        }
    }

    func recall(_ arrival: Request.Arrival, _ digest: Digest256, at now: Instant) -> Served? {
        guard digest.bytes[0] & 1 == 0 else { return nil }
        var arrival = arrival
        arrival.body = Sample.question("m", stream: digest.bytes[0] & 2 != 0)
        return call(arrival, digest: nil, from: .binary, at: now)
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

    func pass(_ head: RequestHead, _ body: [UInt8], at now: Instant) -> Served { .failed(Self.failure) }
    func admits(adminToken: Secret?) -> Bool? { adminToken != nil }
    func order(_ order: Order, at now: Instant) -> Served { .failed(Self.failure) }

    func facts(_ request: Request, _ provenance: Provenance, since startedAt: Instant) -> SamovarServer.AnswerFacts {
        AnswerFacts(
            provenance: provenance, form: request.form, tenant: request.showsTenant ? request.tenant.label : nil,
            key: nil, startedAt: startedAt)
    }

    func refused(at front: DataFront, since startedAt: Instant) {}
    func tokenFailed(from address: String, at now: Instant) {}
    func lagged() {}
}
