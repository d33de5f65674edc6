import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Reply slots")
struct ReplySlotsTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    /// What a reply leads to, as text.
    private func told(_ action: ReplySlots<String>.ReplyAction) -> String {
        switch action {
        case .wait: "wait"
        case .deliver(let waiter, let replies): "\(waiter) gets \(replies.count)"
        case .close: "close"
        }
    }

    @Test("replies go to those who asked, in the order in which they asked")
    func order() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8)
        let asked = ["alice", "bob"].map { slots.ask($0, replyCount: 1, deadline: at(50), at: at(0)) }
        let first = slots.replied(.integer(1))
        let second = slots.replied(.integer(2))

        #expect(asked == [.send, .send])
        #expect(told(first) == "alice gets 1")
        #expect(told(second) == "bob gets 1")
        #expect(slots.count == 0)
    }

    @Test("commands that belong together get their replies together")
    func together() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8)
        _ = slots.ask("alice", replyCount: 2, deadline: at(50), at: at(0))
        _ = slots.ask("bob", replyCount: 1, deadline: at(50), at: at(0))
        let told = [RESPValue.integer(1), .integer(2), .integer(3)].map { self.told(slots.replied($0)) }

        #expect(told == ["wait", "alice gets 2", "bob gets 1"])
    }

    @Test("a reply that nobody asked for closes the connection")
    func unasked() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8)
        let action = slots.replied(.null)
        #expect(told(action) == "close")
    }

    @Test("one overdue reply ends the connection for all who wait on it")
    func overdue() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8)
        _ = slots.ask("alice", replyCount: 1, deadline: at(80), at: at(0))
        _ = slots.ask("bob", replyCount: 1, deadline: at(50), at: at(0))
        let early = slots.look(at: at(49))
        let action = slots.look(at: at(50))
        let late = slots.replied(.integer(1))
        let afterwards = slots.ask("carol", replyCount: 1, deadline: at(100), at: at(50))

        #expect(early.overdue == [] && early.others == [])
        #expect(early.lookAgainAt == at(50))
        #expect(action.overdue == ["bob"])
        #expect(action.others == ["alice"])
        #expect(action.lookAgainAt == nil)
        #expect(told(late) == "close")
        #expect(afterwards == .refuse(.notConnected))
    }

    @Test("with the bug in, a late reply goes to the next in the row")
    func reuse() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8, reusesAfterTimeout: true)
        _ = slots.ask("alice", replyCount: 1, deadline: at(50), at: at(0))
        _ = slots.look(at: at(50))
        _ = slots.ask("bob", replyCount: 1, deadline: at(100), at: at(50))
        let action = slots.replied(.bulk(Array("for alice".utf8)))

        #expect(told(action) == "bob gets 1")
    }

    @Test("there is nothing to look for when nobody waits")
    func idle() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8)
        let action = slots.look(at: at(1_000))
        #expect(action.lookAgainAt == nil && action.overdue == [])
        #expect(!slots.isClosed)
    }

    @Test("the row is bounded, and a command that is late already is not sent")
    func refused() {
        var slots = ReplySlots<String>(pipelineDepthMax: 2)
        _ = slots.ask("alice", replyCount: 1, deadline: at(50), at: at(0))
        _ = slots.ask("bob", replyCount: 1, deadline: at(50), at: at(0))
        let third = slots.ask("carol", replyCount: 1, deadline: at(50), at: at(0))
        _ = slots.replied(.null)
        let late = slots.ask("dave", replyCount: 1, deadline: at(50), at: at(50))

        #expect(third == .refuse(.pipelineFull))
        #expect(late == .refuse(.timeout))
        #expect(slots.count == 1)
    }

    @Test("closing wakes everybody once, oldest first")
    func close() {
        var slots = ReplySlots<String>(pipelineDepthMax: 8)
        for name in ["alice", "bob", "carol"] { _ = slots.ask(name, replyCount: 1, deadline: at(50), at: at(0)) }
        let first = slots.close()
        let second = slots.close()

        #expect(first == ["alice", "bob", "carol"])
        #expect(second == [])
    }
}
