import SamovarCore
import Testing

@testable import SamovarClient

@Suite("Waiting for a place")
struct WaitingTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func waiting(_ names: String..., countMax: Int = 10) -> Waiting<String> {
        var waiting = Waiting<String>(countMax: countMax, reachTimeout: .seconds(5))
        for (index, name) in names.enumerated() {
            _ = waiting.enter(UInt64(index), name, deadline: .never, at: start)
        }
        return waiting
    }

    @Test("is first come, first served, without those who left")
    func order() {
        var line = waiting("ann", "bob", "cid", "dan")

        let first = line.next()
        let left = line.leave(2)
        let leftTwice = line.leave(2)
        let rest = [line.next(), line.next(), line.next()]

        #expect(first == "ann")
        #expect(left == "cid")
        #expect(leftTwice == nil)
        #expect(rest == ["bob", "dan", nil])
    }

    @Test("is bounded")
    func bounded() {
        var line = waiting("ann", "bob", countMax: 2)

        let isIn = line.enter(9, "cid", deadline: .never, at: start)
        _ = line.next()
        let isInNow = line.enter(9, "cid", deadline: .never, at: start)

        #expect(!isIn)
        #expect(isInNow)
    }

    @Test("ends at each one's own deadline")
    func deadlines() {
        var line = waiting("ann")
        _ = line.enter(1, "bob", deadline: start.advanced(by: .seconds(2)), at: start)
        _ = line.enter(2, "cid", deadline: start.advanced(by: .seconds(1)), at: start)

        let wakeAt = line.wakeAt(lostAt: nil)
        let early = line.expired(lostAt: nil, at: start.advanced(by: .milliseconds(999)))
        let due = line.expired(lostAt: nil, at: start.advanced(by: .seconds(1)))

        #expect(wakeAt == start.advanced(by: .seconds(1)))
        #expect(early.isEmpty)
        #expect(due.map(\.ticket) == ["cid"])
        #expect(due.map(\.reason) == [.deadline])
        #expect(line.wakeAt(lostAt: nil) == start.advanced(by: .seconds(2)))
    }

    @Test("lasts only so long where there is no connection, counted from the later of loss and arrival")
    func unreachable() {
        var line = waiting("ann")
        let lostAt = start.advanced(by: .seconds(10))
        _ = line.enter(1, "bob", deadline: .never, at: start.advanced(by: .seconds(12)))

        let withConnection = line.expired(lostAt: nil, at: start.advanced(by: .seconds(100)))
        let first = line.expired(lostAt: lostAt, at: start.advanced(by: .seconds(15)))
        let wakeAt = line.wakeAt(lostAt: lostAt)

        #expect(withConnection.isEmpty)
        #expect(first.map(\.ticket) == ["ann"])
        #expect(first.map(\.reason) == [.unreachable])
        #expect(wakeAt == start.advanced(by: .seconds(17)))
    }

    @Test("keeps its order through many turns")
    func manyTurns() {
        var line = Waiting<Int>(countMax: 100, reachTimeout: .seconds(5))
        var served: [Int] = []

        for number in 0..<1_000 {
            _ = line.enter(UInt64(number), number, deadline: .never, at: start)
            if number % 3 != 0, let next = line.next() { served.append(next) }
            if line.count > 50, let next = line.next() { served.append(next) }
        }
        while let next = line.next() { served.append(next) }

        #expect(served == Array(0..<1_000))
    }
}
