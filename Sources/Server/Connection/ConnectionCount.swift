import Synchronization

/// How many connections there are, of the ports that share the limit `connections_max`.
public final class ConnectionCount: Sendable {
    private let max: Int
    private let count = Atomic<Int>(0)

    public init(max: Int) { self.max = max }

    public var current: Int { count.load(ordering: .relaxed) }

    /// One more; false where the limit is reached.
    func admit() -> Bool {
        guard count.add(1, ordering: .relaxed).newValue > max else { return true }
        release()
        return false
    }

    func release() { count.subtract(1, ordering: .relaxed) }
}

/// What listens, and the connections that came of it.
public protocol PortListener: Sendable {
    /// Takes no more connections.
    func stopAccepting() async
    /// Tells every connection to close after what it is doing.
    func leave()
    /// Closes every connection, whatever it is doing.
    func closeAll() async
}
