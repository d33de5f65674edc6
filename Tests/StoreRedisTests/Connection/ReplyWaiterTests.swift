import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("Reply waiter")
struct ReplyWaiterTests {
    @Test("it wakes with the replies, however early they come")
    func replies() async {
        let waiter = ReplyWaiter()
        let outcome = await waiter.sleep { waiter.settle(.success([.integer(7)])) }
        #expect(outcome == .success([.integer(7)]))
    }

    @Test("a cancelled caller goes at once, and a reply that comes later is nobody's")
    func cancelled() async {
        let waiter = ReplyWaiter()
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let caller = Task { await waiter.sleep { start.finish() } }
        for await _ in started {}
        caller.cancel()
        let outcome = await caller.value
        waiter.settle(.success([.null]))

        #expect(outcome == .failure(.cancelled))
    }

    @Test("a caller that is cancelled already sends nothing")
    func cancelledBefore() async {
        let sent = Lock(false)
        let caller = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await ReplyWaiter().sleep { sent.withLock { $0 = true } }
        }
        let outcome = await caller.value
        #expect(outcome == .failure(.cancelled))
        #expect(sent.withLock { $0 } == false)
    }
}
