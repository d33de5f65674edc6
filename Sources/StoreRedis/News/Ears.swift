import SamovarCore
import SamovarEngine

/// The connections on which primaries speak unasked: one to each, as a server tells of its own names only. They come
/// and go with the primaries.
///
/// A message to a channel is heard on each of a cluster's connections; whoever receives it must not mind.
final class Ears: Sendable {
    typealias Make =
        @Sendable (
            Line.Settings, _ standing: @escaping @Sendable (NewsStanding) -> Void
        ) -> NewsConnection

    private struct Ear {
        let connection: NewsConnection
        var standing = NewsStanding.lost
    }

    private struct State {
        var ears: [Endpoint.Address: Ear] = [:]
        var isStarted = false
        var isShut = false
        var told = NewsStanding.lost
    }

    private let deployment: Deployment
    private let make: Make
    private let standing: @Sendable (NewsStanding) -> Void
    private let state = Lock(State())

    /// - Parameter standing: told when it is others than before: all of them track, or one does not.
    init(_ primaries: Primaries, make: @escaping Make, standing: @escaping @Sendable (NewsStanding) -> Void) {
        deployment = primaries.deployment
        self.make = make
        self.standing = standing
        primaries.onChange { [weak self] addresses in self?.follow(addresses) }
        // Those who were there before we listened for changes.
        follow(primaries.addresses)
    }

    /// Connects to all, in the background. Idempotent.
    func start() {
        let connections = state.withLock { state in
            state.isStarted = true
            return state.ears.values.map(\.connection)
        }
        for connection in connections { connection.start() }
    }

    /// Waits until one of those that are there listens. False when the task is cancelled or all is shut down before.
    func listens() async -> Bool {
        guard let connection = state.withLock({ $0.ears.values.first?.connection }) else { return false }
        return await connection.listens()
    }

    private func follow(_ addresses: [Endpoint.Address]) {
        let (new, gone) = state.withLock { state -> ([NewsConnection], [NewsConnection]) in
            guard !state.isShut, !addresses.isEmpty else { return ([], []) }
            var new: [NewsConnection] = []
            for address in addresses where state.ears[address] == nil {
                let connection = make(deployment.line { address }) { [weak self] in self?.stands($0, at: address) }
                state.ears[address] = Ear(connection: connection)
                if state.isStarted { new.append(connection) }
            }
            var gone: [NewsConnection] = []
            for (address, ear) in state.ears where !addresses.contains(address) {
                gone.append(ear.connection)
                state.ears[address] = nil
            }
            return (new, gone)
        }
        for connection in new { connection.start() }
        // Without a parent: nobody waits for what is of no more use.
        for connection in gone { Task { await connection.shutdown() } }
        tellChange()
    }

    private func stands(_ standing: NewsStanding, at address: Endpoint.Address) {
        state.withLock { $0.ears[address]?.standing = standing }
        tellChange()
    }

    private func tellChange() {
        let news: NewsStanding? = state.withLock { state in
            let standings = Set(state.ears.values.map(\.standing))
            let now: NewsStanding
            if standings == [.tracking] {
                now = .tracking
            } else {
                now = standings.contains(.refused) ? .refused : .lost
            }
            guard now != state.told else { return nil }
            state.told = now
            return now
        }
        if let news { standing(news) }
    }

    /// Closes all and waits until they are closed. Idempotent.
    func shutdown() async {
        let connections = state.withLock { state in
            state.isShut = true
            return state.ears.values.map(\.connection)
        }
        for connection in connections { await connection.shutdown() }
    }
}
