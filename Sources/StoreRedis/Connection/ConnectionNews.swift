/// What about our connections is worth a line in the log.
///
/// A server that goes away is told by the breaker, once; connections coming and going meanwhile are not. Told here
/// are the first success, a failure before it, and whatever only an operator can mend. Once each, until it changes.
struct ConnectionNews: Sendable {
    enum Line: Hashable, Sendable {
        case connected
        /// Not yet connected: nothing is wrong with going on without.
        case notYet(String)
        case refused(String)
    }

    private var hasBeenConnected = false
    private var told: Line?

    mutating func connected() -> Line? {
        defer { hasBeenConnected = true }
        if hasBeenConnected, told == nil { return nil }
        told = nil
        return .connected
    }

    mutating func failed(_ loss: ConnectionLoss) -> Line? {
        if loss.needsOperator { return tell(.refused(loss.description)) }
        guard !hasBeenConnected, told == nil else { return nil }
        return tell(.notYet(loss.description))
    }

    private mutating func tell(_ line: Line) -> Line? {
        guard told != line else { return nil }
        told = line
        return line
    }
}
