import SamovarCore

/// One caller's presence: it may go away at any time, and its seat on a flight with it.
///
/// Made by a front, which hangs up when the connection closes or the caller's own deadline passes. A flight is the
/// caller of its upstream in the same way: it goes when nobody is left to read, or when a deadline has passed.
public final class Caller: Sendable {
    private struct State {
        var reason: Failure?
        var leave: (@Sendable () -> Void)?
    }

    /// Where a flight that takes off for this caller is flown.
    let lane: Int
    private let state = Lock(State())

    public init(lane: Int = 0) {
        self.lane = lane
    }

    /// The caller is gone: whoever waits on its behalf wakes up.
    ///
    /// - Parameter reason: what it is told, if it is still there to be told.
    public func hangUp(_ reason: Failure) {
        let leave = state.withLock { state in
            if state.reason == nil { state.reason = reason }
            defer { state.leave = nil }
            return state.leave
        }
        leave?()
    }

    /// Why it has gone; nil while it is there.
    public var gone: Failure? { state.withLock { $0.reason } }

    /// What to do when it goes; at once if it has gone already.
    public func whenGone(_ leave: @escaping @Sendable () -> Void) {
        let isGone = state.withLock { state in
            if state.reason == nil { state.leave = leave }
            return state.reason != nil
        }
        if isGone { leave() }
    }
}
