import SamovarCore
import SamovarEngine

/// Who is to be told when another process wants to follow an attempt of this one's.
///
/// Bounded by the attempts under way: each is forgotten when it is over.
final class Pokes: Sendable {
    private let expected = Lock<[AttemptID: @Sendable () -> Void]>([:])

    func expect(_ attempt: AttemptID, _ interested: @escaping @Sendable () -> Void) {
        expected.withLock { $0[attempt] = interested }
    }

    func forget(_ attempt: AttemptID) {
        expected.withLock { _ = $0.removeValue(forKey: attempt) }
    }

    /// Somebody says that he follows an attempt: 32 hex digits, or it is nothing of ours. Tells once.
    func poked(_ payload: RESPValue) {
        guard case .bulk(let digits) = payload, let attempt = AttemptID(hexadecimal: digits) else { return }
        let interested = expected.withLock { $0.removeValue(forKey: attempt) }
        interested?()
    }
}
