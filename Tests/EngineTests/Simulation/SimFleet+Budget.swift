import SamovarCore

@testable import SamovarEngine

/// What pods want of their upstreams.
extension SimLeaseStore: FleetStore {
    func exchange(_ word: FleetWord, life: Duration) async -> FleetReply {
        // There, and back.
        try? await fleet.clock.sleep(until: fleet.clock.now.advanced(by: .milliseconds(1)))
        let now = fleet.clock.now
        let words = await ask { state -> [PodID: FleetWord] in
            state.words = state.words.filter { $0.value.until > now }
            state.words[self.pod] = (word, now.advanced(by: life))
            return state.words.mapValues(\.word)
        }
        try? await fleet.clock.sleep(until: fleet.clock.now.advanced(by: .milliseconds(1)))
        return words.map { .heard($0) } ?? .unavailable
    }

    func withdrawWord() async { _ = await ask { $0.words[self.pod] = nil } }
}

extension SimFleet {
    var wordCount: Int { state.withLock { $0.words.count } }
}
