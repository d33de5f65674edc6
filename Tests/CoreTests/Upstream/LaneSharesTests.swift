import SamovarCore
import Testing

@Suite("Shares of lanes")
struct LaneSharesTests {
    @Test("sum up to the whole, and differ by one at most", arguments: [(7, 3), (8, 4), (1, 1), (1024, 3)])
    func sum(callsMax: Int, laneCount: Int) {
        let shares = LaneShares(callsMax: callsMax, laneCount: laneCount).shares
        #expect(shares.reduce(0, +) == callsMax)
        #expect(shares.count == laneCount)
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }

    @Test("let a call stay on its own lane for as long as there is room")
    func stays() {
        var lanes = LaneShares(callsMax: 4, laneCount: 2)
        #expect([lanes.take(from: 1), lanes.take(from: 1)] == [1, 1])
        lanes.giveBack(1)
        let again = lanes.take(from: 1)
        #expect(again == 1)
    }

    @Test("lend room: one busy lane can use all that there is")
    func lends() {
        var lanes = LaneShares(callsMax: 4, laneCount: 2)
        let taken = (0..<4).map { _ in lanes.take(from: 0) }
        #expect(taken == [0, 0, 1, 1])
    }

    @Test("let calls that find no room wait where fewest do")
    func overflows() {
        var lanes = LaneShares(callsMax: 2, laneCount: 2)
        let taken = (0..<6).map { _ in lanes.take(from: 0) }
        #expect(taken.filter { $0 == 0 }.count == 3)
    }

    @Test("are never more lanes than calls: those without a share lend")
    func fewCalls() {
        var lanes = LaneShares(callsMax: 1, laneCount: 8)
        #expect(lanes.shares == [1])
        let (first, second) = (lanes.take(from: 7), lanes.take(from: 3))
        #expect((first, second) == (0, 0))
    }

    @Test("spread the calls of those who have no lane")
    func homeless() {
        var lanes = LaneShares(callsMax: 9, laneCount: 3)
        let taken = (0..<9).map { _ in lanes.take(from: nil) }
        #expect([0, 1, 2].map { lane in taken.filter { $0 == lane }.count } == [3, 3, 3])
    }
}
