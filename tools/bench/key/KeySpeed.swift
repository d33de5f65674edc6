import Crypto
import SamovarCore

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// How fast a body becomes a key: what `tools/bench/run key` measures.
///
/// Takes the number of rounds and prints a line of JSON for each body: how it is spelled, its KiB, and for each step
/// the nanoseconds of every round. Rounds go over all bodies in turn, so that a slow moment of the machine falls on all.
///
/// Example:
///
///     key-speed 5
@main
struct KeySpeed {
    static func main() {
        guard let rounds = CommandLine.arguments.dropFirst().first.flatMap({ Int($0) }), rounds > 0 else {
            fail("wants the number of rounds")
        }
        var bodies = ChatBody.Style.allCases.flatMap { style in
            [1, 8, 64].map { Measured(body: ChatBody(style: style, kibibytes: $0)) }
        }
        do {
            for _ in 0..<rounds {
                for index in bodies.indices { try bodies[index].measure() }
            }
        } catch {
            fail("a body is refused: \(error)")
        }
        for body in bodies { print(body.json) }
    }

    private static func fail(_ reason: String) -> Never {
        let line = Array("key-speed: \(reason)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(1)
    }
}

/// One body and what was measured of it.
private struct Measured {
    let body: ChatBody
    private var nanoseconds: [Step: [Double]] = [:]

    private enum Step: String, CaseIterable {
        case sha256, canonical, request, memo
    }

    init(body: ChatBody) { self.body = body }

    mutating func measure() throws {
        let bytes = body.bytes
        let routes = RouteTable(routes: [Route(upstreams: ["a"], credential: .configured)])
        let arrival = Request.Arrival(kind: .chat, body: bytes)
        var canonicaliser = Canonicaliser()
        var memo = BodyMemo()
        let request = try Request(arrival, routes: routes, with: &canonicaliser)
        let question = Self.question(arrival, bytes, routes)
        memo.insert(request, of: arrival, as: question, in: routes)

        record(.sha256) { Digest256(of: bytes).hashValue }
        try record(.canonical) { try canonicaliser.digest(of: bytes).hashValue }
        try record(.request) { try Request(arrival, routes: routes, with: &canonicaliser).key.hashValue }
        record(.memo) {
            let question = Self.question(arrival, bytes, routes)
            guard let entry = memo.lookup(question, in: routes) else { return 0 }
            return Request(arrival, known: entry, routes: routes).key.hashValue
        }
    }

    private static func question(
        _ arrival: Request.Arrival, _ bytes: [UInt8], _ routes: RouteTable
    ) -> BodyMemo.Question {
        BodyMemo.Question(arrival, caller: routes.caller(authorization: nil), rawDigest: Digest256(of: bytes))
    }

    /// The best of a few windows: what stands in between is the machine's, not ours.
    private mutating func record(_ step: Step, _ work: () throws -> Int) rethrows {
        let count = max(1, 2_000_000 / (body.bytes.count + 512))
        var best = Double.infinity
        for _ in 0..<5 {
            var mixed = 0
            let startedAt = ContinuousClock.now
            for _ in 0..<count { mixed ^= try work() }
            let duration = ContinuousClock.now - startedAt
            Self.used = mixed
            best = min(best, Double(duration.components.attoseconds) / 1e9 / Double(count))
        }
        nanoseconds[step, default: []].append(best)
    }

    /// Keeps the work from being left out. One thread.
    nonisolated(unsafe) private static var used = 0

    var json: String {
        let steps = Step.allCases.map { step in
            "\"\(step.rawValue)\":[\((nanoseconds[step] ?? []).map { "\($0)" }.joined(separator: ","))]"
        }
        return "{\"style\":\"\(body.style.rawValue)\",\"kib\":\(body.kibibytes),\(steps.joined(separator: ","))}"
    }
}
