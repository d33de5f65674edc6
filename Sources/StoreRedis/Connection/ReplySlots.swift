import DequeModule
import SamovarCore

/// The replies that one connection owes, in the order in which they were asked for.
///
///     ask ──▶ │ slot │ slot │ slot │ ◀── replies fill the oldest one first
///               ▲ overdue? then the connection ends, and all that wait on it fail
///
/// A reply carries nothing that says what it answers: its place in the row is all there is. So a slot is never taken
/// out before its reply has come, whatever becomes of the one who waits for it, and a connection with an overdue
/// reply is never used again: the reply may still come, and would be handed to the next in the row.
///
/// O(1) a command and a reply; `look` is O(slots) when it is due.
struct ReplySlots<Waiter> {
    private struct Slot {
        let waiter: Waiter
        let deadline: Instant
        let replyCount: Int
        var replies: [RESPValue] = []
    }

    private let pipelineDepthMax: Int
    /// The bug that the rules above are there to prevent, for tests that show that they would notice it.
    private let reusesAfterTimeout: Bool
    private var slots: Deque<Slot> = []
    private(set) var isClosed = false

    init(pipelineDepthMax: Int, reusesAfterTimeout: Bool = false) {
        precondition(pipelineDepthMax > 0)
        self.pipelineDepthMax = pipelineDepthMax
        self.reusesAfterTimeout = reusesAfterTimeout
    }

    var count: Int { slots.count }

    enum AskAction: Hashable, Sendable {
        /// Send it; the row has a slot for its replies.
        case send
        /// Do not send it: tell the waiter.
        case refuse(CommandFailure)
    }

    /// A command is about to be sent that is answered by `replyCount` replies. O(1).
    mutating func ask(_ waiter: Waiter, replyCount: Int, deadline: Instant, at now: Instant) -> AskAction {
        precondition(replyCount > 0)
        guard !isClosed else { return .refuse(.notConnected) }
        // It waited for the event loop all its time: nobody is left to read the reply.
        guard now < deadline else { return .refuse(.timeout) }
        guard slots.count < pipelineDepthMax else { return .refuse(.pipelineFull) }
        slots.append(Slot(waiter: waiter, deadline: deadline, replyCount: replyCount))
        return .send
    }

    enum ReplyAction {
        /// More replies belong to the same command.
        case wait
        case deliver(Waiter, [RESPValue])
        /// Nobody asked: the stream cannot be understood any more. Close.
        case close
    }

    /// A reply has come. O(1).
    mutating func replied(_ reply: RESPValue) -> ReplyAction {
        guard !slots.isEmpty else { return .close }
        slots[0].replies.append(reply)
        guard slots[0].replies.count == slots[0].replyCount else { return .wait }
        let slot = slots.removeFirst()
        return .deliver(slot.waiter, slot.replies)
    }

    struct LookAction {
        /// Their time is over. The connection is to be closed when there are any.
        var overdue: [Waiter] = []
        /// They would have had more time, and fail with the connection.
        var others: [Waiter] = []
        /// When to look next.
        var lookAgainAt: Instant?
    }

    /// Is a reply overdue? O(slots).
    mutating func look(at now: Instant) -> LookAction {
        var action = LookAction()
        guard slots.contains(where: { $0.deadline <= now }) else {
            action.lookAgainAt = slots.lazy.map(\.deadline).min()
            return action
        }
        action.overdue = slots.filter { $0.deadline <= now }.map(\.waiter)
        if reusesAfterTimeout {
            slots.removeAll { $0.deadline <= now }
            action.lookAgainAt = slots.lazy.map(\.deadline).min()
        } else {
            action.others = slots.filter { $0.deadline > now }.map(\.waiter)
            _ = close()
        }
        return action
    }

    /// The connection ends. Returns who waited, oldest first; they fail with it. Idempotent.
    mutating func close() -> [Waiter] {
        defer { slots.removeAll() }
        isClosed = true
        return slots.map(\.waiter)
    }
}
