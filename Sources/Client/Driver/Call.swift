import SamovarCore
import Synchronization

/// One request on its way: what is asked, and the mailbox for what comes of it.
final class Call: Sendable {
    let question: Question
    private let mailbox = Mutex(Mailbox<CheckedContinuation<ReplyEvent, Never>>())

    init(_ question: Question) { self.question = question }

    /// Something happened. Its reader is woken outside of the lock.
    func deliver(_ event: ReplyEvent) {
        mailbox.withLock { $0.take(event) }?.resume(returning: event)
    }

    var hasEnded: Bool { mailbox.withLock { $0.hasEnded } }

    /// What happens next. After the end: the end.
    func next(isolation: isolated (any Actor)? = #isolation) async -> ReplyEvent {
        await withCheckedContinuation { continuation in
            let event = mailbox.withLock { $0.next(continuation) }
            if let event { continuation.resume(returning: event) }
        }
    }
}
