import NIOCore
import NIOHTTP1
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// One call, read to its end.
struct Call: Sendable {
    let head: HTTPRequestHead
    var body = ByteBuffer()
    /// Its body grew past the limit and was thrown away.
    var bodyIsTooLarge = false
}

/// What is to be done about a call.
struct Reply: Sendable {
    var script: Script
    /// Whether the desk wants to know how it ended.
    let isServed: Bool
}

/// Where calls are handed in: reads them, asks the door, hands out the script of the reply. Shared by all loops.
final class Desk: Sendable {
    private let door: Mutex<Door>
    /// "Bearer <key>", when callers must have one.
    private let authorization: String?

    init(_ settings: Settings, apiKey: String?) {
        door = Mutex(Door(settings))
        authorization = apiKey.map { "Bearer " + $0 }
    }

    func receive(_ call: Call, at now: NIODeadline) -> Reply {
        let route = Result { () throws(Refusal) in try Route.find(call.head.method, call.head.uri) }
        if case .success(let route) = route, route.isForHarness {
            return Reply(script: .whole(answerHarness(route, call)), isServed: false)
        }
        let ask = read(call, route)
        let visit = visit(of: call, route, ask)
        let admission = door.withLock { $0.arrived(visit, asking: ask, at: now) }
        let script = Casting(admission: admission, created: time(nil)).script(for: try? ask.get())
        return Reply(script: script, isServed: admission.ruling == .serve)
    }

    /// A served call is over.
    func ended(cancelled: Bool) {
        door.withLock { $0.ended(cancelled: cancelled) }
    }

    private func read(_ call: Call, _ route: Result<Route, Refusal>) -> Result<Ask?, Refusal> {
        if let authorization, call.head.headers.first(name: "authorization") != authorization {
            return .failure(.unauthorized)
        }
        if call.bodyIsTooLarge { return .failure(.bodyTooLarge) }
        return Result { () throws(Refusal) in
            let route = try route.get()
            return route.isAsk ? try Ask.read(Array(call.body.readableBytesView), on: route) : nil
        }
    }

    private func visit(
        of call: Call, _ route: Result<Route, Refusal>, _ ask: Result<Ask?, Refusal>
    ) -> Visit {
        var visit = Visit()
        if let authorization = call.head.headers.first(name: "authorization") {
            visit.authorization = Digest.hex(Digest.firstEightBytes(of: Array(authorization.utf8)) >> 32, digitCount: 8)
        }
        if case .success(let ask?) = ask { visit.digests = ask.digests }
        if case .success(let route) = route, route.isAsk { visit.body = call.body }
        visit.headerNames = call.head.headers.map(\.name)
        return visit
    }

    private func answerHarness(_ route: Route, _ call: Call) -> WholeReply {
        switch route {
        case .changeSettings:
            do throws(Refusal) {
                return plain(try change(call.body).json)
            } catch {
                return plain(error)
            }
        case .counts: return plain(door.withLock { $0.ledger }.json)
        case .resetCounts:
            return plain(
                door.withLock {
                    $0.resetLedger()
                    return $0.ledger
                }.json)
        default: return plain(door.withLock { $0.settings }.json)
        }
    }

    private func change(_ body: ByteBuffer) throws(Refusal) -> Settings {
        guard case .object(let changes)? = try? JSONReader.read(Array(body.readableBytesView)) else {
            throw .invalid("A JSON object of settings is wanted.")
        }
        let outcome = door.withLock { door in
            Result { () throws(SettingRefusal) in
                try door.change(changes)
                return door.settings
            }
        }
        switch outcome {
        case .success(let settings): return settings
        case .failure(.unknown(let name)): throw .invalid("No setting is named '\(name)'.", param: name)
        case .failure(.outOfRange(let name, let range)): throw .invalid("'\(name)' takes \(range).", param: name)
        }
    }

    private func plain(_ json: JSON) -> WholeReply {
        var writer = JSONWriter()
        writer.value(json)
        writer.raw("\n")
        return WholeReply(head: Self.head(.ok), body: writer.bytes)
    }

    private func plain(_ refusal: Refusal) -> WholeReply {
        var writer = JSONWriter()
        refusal.write(into: &writer)
        writer.raw("\n")
        return WholeReply(head: Self.head(HTTPResponseStatus(statusCode: refusal.status)), body: writer.bytes)
    }

    private static func head(_ status: HTTPResponseStatus) -> HTTPResponseHead {
        HTTPResponseHead(version: .http1_1, status: status, headers: ["content-type": "application/json"])
    }
}
