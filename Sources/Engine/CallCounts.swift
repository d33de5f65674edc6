import SamovarCore

/// Whether one more call could go out at once: what those ask who would rather wait for others than for a place.
public protocol CallRoom: Sendable {
    /// - Parameter count: calls of the same kind that are about to be made and are not counted yet.
    func hasRoom(for request: Request, beside count: Int) -> Bool
}

/// How many calls each upstream has under way, of those that it takes at once.
final class CallCounts: CallRoom {
    private struct State {
        var counts: [String: Int] = [:]
        var whenEnded: (@Sendable () -> Void)?
    }

    /// By upstream.
    private let callsMax: [String: Int]
    private let state = Lock(State())

    init(callsMax: [String: Int]) {
        self.callsMax = callsMax
    }

    /// Is called after each call, when it is counted no more.
    func whenEnded(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.whenEnded = body } }

    func began(at upstream: String) { state.withLock { $0.counts[upstream, default: 0] += 1 } }

    func ended(at upstream: String) {
        let whenEnded = state.withLock { state in
            state.counts[upstream, default: 1] -= 1
            return state.whenEnded
        }
        whenEnded?()
    }

    func hasRoom(for request: Request, beside count: Int) -> Bool {
        state.withLock { state in
            let room = request.route.upstreams.reduce(0) { room, upstream in
                room + max(0, (callsMax[upstream] ?? 0) - state.counts[upstream, default: 0])
            }
            return room > count
        }
    }
}
