import SamovarCore

/// Shares the upstreams' limits with other pods. Drives `FleetShare`.
///
///     Dispatch ── wishes ──▶ word ──▶ store ──▶ what the others said ──▶ parts ──▶ Dispatch
///
/// One for a process; its words go out one after the other.
final class FleetBudget: Sendable {
    private struct State {
        var machine: FleetShare
        var settings: FleetShare.Settings?
        /// Parts have been given, so that there is something to take back.
        var isSharing = false
    }

    private let dispatch: Dispatch
    private let store: (any FleetStore)?
    private let clock: any MonotonicClock
    private let state: Lock<State>

    /// How soon it is seen that sharing was switched on.
    private static let lookInterval = Duration.seconds(1)

    init(_ dispatch: Dispatch, _ store: (any FleetStore)?, settings: FleetShare.Settings?, clock: any MonotonicClock) {
        self.dispatch = dispatch
        self.store = store
        self.clock = clock
        let pod = store?.pod ?? PodID(0)
        state = Lock(
            State(
                machine: FleetShare(settings ?? .init(), pod: pod, startedAt: clock.now), settings: settings,
                isSharing: settings != nil))
        if store != nil, settings != nil { dispatch.awaitShares() }
    }

    /// Takes other settings; nil: the limits are this process's alone, with the next word.
    func reconfigure(_ settings: FleetShare.Settings?) {
        state.withLock { state in
            state.settings = settings
            if let settings { state.machine.configure(settings) }
        }
    }

    /// Nil: they are not shared.
    var podCount: Int? {
        guard store != nil else { return nil }
        return state.withLock { $0.settings == nil ? nil : $0.machine.podCount }
    }

    /// Speaks and listens until it is cancelled, then says that this pod is gone. Returns at once without a store.
    func run() async {
        guard let store else { return }
        while !Task.isCancelled {
            let next = await speak(with: store)
            try? await clock.sleep(until: next)
        }
        await store.withdrawWord()
    }

    /// One exchange. Returns when the next one is due.
    private func speak(with store: any FleetStore) async -> Instant {
        let wishes = dispatch.wishes()
        let sentAt = clock.now
        let told = state.withLock { state -> (word: FleetWord, life: Duration)? in
            guard state.settings != nil else { return nil }
            state.isSharing = true
            return (state.machine.word(wishes), state.machine.life)
        }
        guard let told else {
            await stopSharing(with: store)
            return clock.now.advanced(by: Self.lookInterval)
        }
        let reply = await store.exchange(told.word, life: told.life)
        let now = clock.now
        let action = state.withLock { state in
            switch reply {
            case .heard(let words): state.machine.heard(words, sentAt: sentAt, at: now)
            case .full(let podCount): state.machine.missed(podCount: podCount, at: now)
            case .unavailable: state.machine.missed(at: now)
            }
        }
        dispatch.share(action.parts)
        return action.speakAt
    }

    private func stopSharing(with store: any FleetStore) async {
        let wasSharing = state.withLock { state in
            defer { state.isSharing = false }
            return state.isSharing
        }
        guard wasSharing else { return }
        dispatch.unshare()
        await store.withdrawWord()
    }
}
