import SamovarCore
import Synchronization

@testable import SamovarEngine

/// Changes in the model of Redis, as pods hear of them.
extension SimLeaseStore {
    func name(of key: RequestKey) -> UInt64 { key.cacheHash }

    func listen(_ receive: @escaping @Sendable (StoreNews) -> Void) {
        hear(receive)
        receive(.connected)
    }

    private func hear(_ receive: @escaping @Sendable (StoreNews) -> Void) {
        fleet.state.withLock { $0.listeners[pod] = receive }
    }

    /// Told to this pod alone, at once.
    func tell(_ news: StoreNews) {
        let receive = fleet.state.withLock { $0.listeners[pod] }
        receive?(news)
    }

    /// This pod hears of no changes from now on; and does not notice yet.
    func deafen() {
        let receive = fleet.state.withLock { $0.listeners.removeValue(forKey: pod) }
        deaf.withLock { $0 = receive }
    }

    /// It notices.
    func noticesLoss() { deaf.withLock { $0 }?(.lost) }

    /// It hears again.
    func reconnect() {
        guard let receive = deaf.withLock({ $0.take() }) else { return }
        hear(receive)
        receive(.connected)
    }

    func identities(of keys: [RequestKey]) async -> [ValueIdentity?]? {
        await ask { state in keys.map { state.values[$0]?.0.simIdentity } }
    }

    func generations(of scopes: [Scope]) async -> [UInt64]? {
        await ask { state in scopes.map { state.generations[$0] ?? 0 } }
    }

    func advance(_ scope: Scope, beyond known: UInt64) async -> UInt64? {
        let wallNow = fleet.clock.wallNow
        let number: UInt64? = await ask { state in
            let number = max(known + 1, (state.generations[scope] ?? 0) + 1, UInt64(wallNow.milliseconds))
            state.generations[scope] = number
            return number
        }
        if number != nil { fleet.tell(.generation(scope)) }
        return number
    }

    func restore(_ scope: Scope, to number: UInt64) async {
        _ = await ask { state in state.generations[scope] = max(state.generations[scope] ?? 0, number) }
    }

    func release(_ key: RequestKey, by attempt: AttemptID) async {
        _ = await ask { state in
            if state.leases[key]?.attempt == attempt { state.leases[key] = nil }
        }
    }
}

extension Answer {
    /// Of the value as it is stored: when it was made, and how.
    var simIdentity: ValueIdentity {
        ValueIdentity(bits: UInt64(bitPattern: createdAt.milliseconds &* 31 &+ generationTime.nanoseconds))
    }

    /// As it is read.
    var copied: Answer {
        Answer(
            recording: recording, model: model, createdAt: createdAt, generationTime: generationTime, usage: usage,
            ttl: ttl, staleTTL: staleTTL, generations: generations, identity: simIdentity)
    }
}
