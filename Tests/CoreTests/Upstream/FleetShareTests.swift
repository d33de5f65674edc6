import TestSupport
import Testing

@testable import SamovarCore

@Suite("The parts of a fleet")
struct FleetShareTests {
    private static let rounding = 1e-9

    // MARK: Never more than the whole

    @Test(
        "never add up to more than the whole, whoever comes, goes or is killed, whatever is wanted and whichever words get lost",
        arguments: 1...60)
    func sum(seed: UInt64) {
        var fleet = FleetModel(seed: seed)
        fleet.faults = .init(lostWords: 0.05, lostAnswers: 0.05, lateWords: 0.5)
        if seed % 4 == 0 { fleet.capacity = nil }
        for _ in 0..<150 {
            let pods = fleet.all
            switch Int(fleet.draw(0...10)) {
            case 0, 1: if pods.count < 12 { _ = fleet.comes(demand: fleet.draw(0...100)) }
            case 2: if let pod = pods.first { fleet.goes(pod, inOrder: true) }
            case 3: if let pod = pods.last { fleet.goes(pod, inOrder: false) }
            default:
                for pod in pods where fleet.draw(0...1) < 0.5 {
                    fleet.wants(pod, fleet.draw(0...1) < 0.3 ? 0 : fleet.draw(0...200))
                }
            }
            fleet.run(for: .milliseconds(Int64(fleet.draw(10...1_200))))
        }
        #expect(fleet.sumMax <= 1 + Self.rounding, "\(fleet.sumMax)")
        #expect(fleet.exchangeCount > 100)
    }

    @Test("are all that there is once nothing changes for a second and a half", arguments: 1...20)
    func whole(seed: UInt64) {
        var fleet = FleetModel(seed: seed)
        for _ in 0..<(1 + Int(seed % 7)) { _ = fleet.comes(demand: fleet.draw(0...100)) }
        fleet.run(for: .milliseconds(1_500))
        #expect(fleet.sum > 1 - 1e-6 && fleet.sum <= 1 + Self.rounding, "\(fleet.sum)")
        for pod in fleet.all { fleet.wants(pod, fleet.draw(0...100)) }
        fleet.run(for: .milliseconds(1_500))
        #expect(fleet.sum > 1 - 1e-6 && fleet.sumMax <= 1 + Self.rounding, "\(fleet.sum)")
    }

    // MARK: Who has how much

    @Test("one pod alone has the whole, with its first word")
    func alone() {
        var fleet = FleetModel(seed: 1)
        let pod = fleet.comes(demand: 3)
        fleet.run(for: .milliseconds(40))
        #expect(fleet.part(of: pod)?.part == 1)
        #expect(fleet.part(of: pod)?.isSpent == false)
    }

    @Test("of three pods the one with all the load has nearly all, within a second of the load's moving")
    func moves() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var fleet = FleetModel(seed: seed)
            let pods = (0..<3).map { _ in fleet.comes() }
            fleet.run(for: .seconds(1))
            for busy in pods {
                for pod in pods { fleet.wants(pod, pod == busy ? 500 : 0) }
                fleet.run(for: .seconds(1))
                #expect(fleet.part(of: busy)?.part ?? 0 > 0.94, "\(seed)")
            }
            #expect(fleet.sumMax <= 1 + Self.rounding)
        }
    }

    @Test("a newcomer has no burst where others have been before it, and some part within a second")
    func newcomer() {
        var fleet = FleetModel(seed: 2)
        let first = fleet.comes(demand: 500)
        fleet.run(for: .seconds(2))
        let second = fleet.comes(demand: 500)
        fleet.run(for: .milliseconds(30))
        #expect(fleet.part(of: second)?.isSpent == true)
        fleet.run(for: .seconds(1))
        #expect(abs((fleet.part(of: first)?.part ?? 0) - 0.5) < 1e-6)
        #expect(abs((fleet.part(of: second)?.part ?? 0) - 0.5) < 1e-6)
        #expect(fleet.part(of: second)?.isSpent == false)
    }

    @Test("what a killed pod had is others' once its word has died, and at once where it said that it goes")
    func killed() {
        var fleet = FleetModel(seed: 3)
        let (first, second, third) = (fleet.comes(demand: 500), fleet.comes(demand: 500), fleet.comes(demand: 500))
        fleet.run(for: .seconds(2))
        fleet.goes(first, inOrder: false)
        fleet.run(for: .seconds(2))
        #expect(fleet.part(of: second)?.part ?? 1 < 0.34)
        fleet.run(for: .seconds(2))
        #expect(fleet.part(of: second)?.part ?? 0 > 0.49)
        fleet.goes(second, inOrder: true)
        fleet.run(for: .milliseconds(800))
        #expect(fleet.part(of: third)?.part ?? 0 > 0.99)
        #expect(fleet.sumMax <= 1 + Self.rounding)
    }

    // MARK: Without the store

    @Test("a pod that nobody answers has nothing for half a second, and the whole then")
    func neverHeard() {
        var fleet = FleetModel(seed: 4)
        fleet.faults.lostWords = 1
        let pod = fleet.comes(demand: 10)
        fleet.run(for: .milliseconds(490))
        #expect(fleet.part(of: pod) == nil)
        fleet.run(for: .milliseconds(160))
        #expect(fleet.part(of: pod)?.part == 1)
    }

    @Test("without the store everybody keeps his part for `share_keep`, and has an equal one then; the sum stays")
    func storeGone() {
        var fleet = FleetModel(seed: 5)
        let busy = fleet.comes(demand: 500)
        let others = (0..<3).map { _ in fleet.comes() }
        fleet.run(for: .seconds(2))
        let part = fleet.part(of: busy)?.part ?? 0
        fleet.faults.lostWords = 1
        fleet.run(for: .milliseconds(9_500))
        #expect(fleet.part(of: busy)?.part == part && part > 0.9)
        fleet.run(for: .seconds(3))
        #expect(fleet.sumMax <= 1 + Self.rounding)
        #expect(([busy] + others).allSatisfy { fleet.part(of: $0)?.part == 0.25 })
        fleet.faults.lostWords = 0
        fleet.run(for: .seconds(2))
        #expect(fleet.part(of: busy)?.part ?? 0 > 0.9)
        #expect(fleet.sum <= 1 + Self.rounding)
    }

    @Test("of a pod that is cut off alone there is its part too much, at most, and an equal one after `share_keep`")
    func cutOff() {
        var fleet = FleetModel(seed: 6)
        let (lost, other) = (fleet.comes(demand: 500), fleet.comes(demand: 500))
        fleet.run(for: .seconds(2))
        fleet.cut(lost, true)
        fleet.run(for: .seconds(2))
        #expect(fleet.sumMax <= 1 + Self.rounding)
        fleet.run(for: .seconds(20))
        #expect(fleet.part(of: other)?.part == 1)
        #expect(fleet.part(of: lost)?.part == 0.5)
        #expect(fleet.sumMax <= 1.5 + Self.rounding)
        fleet.cut(lost, false)
        fleet.run(for: .seconds(2))
        #expect(fleet.sum <= 1 + Self.rounding && fleet.sum > 1 - 1e-6)
    }

    @Test("a store that forgets is told everything again before anybody takes more", arguments: 1...20)
    func storeForgets(seed: UInt64) {
        var fleet = FleetModel(seed: seed)
        for _ in 0..<4 { _ = fleet.comes(demand: fleet.draw(0...100)) }
        fleet.run(for: .seconds(2))
        for _ in 0..<10 {
            fleet.storeForgets()
            fleet.run(for: .milliseconds(Int64(fleet.draw(600...900))))
        }
        #expect(fleet.sumMax <= 1 + Self.rounding && fleet.sum > 1 - 1e-6)
    }

    @Test("whom the store does not take any more has what is left for one of so many")
    func full() {
        var machine = FleetShare(pod: PodID(1), startedAt: .zero)
        _ = machine.word([FleetWish(upstream: "one", demand: 1)])
        let action = machine.missed(podCount: FleetShare.podsMax, at: .zero)
        #expect(action.parts.map(\.part) == [1 / 1_001])
    }

    @Test("an answer that was too long on its way raises nothing")
    func lateAnswer() {
        var machine = FleetShare(pod: PodID(1), startedAt: .zero)
        let wish = FleetWish(upstream: "one", requestsPerSecond: 10, demand: 10)
        _ = machine.word([wish])
        let other = FleetWord(number: 1, upstreams: [.init(name: "one", demand: 10, claim: 0.5)])
        let before = machine.heard([PodID(2): other], sentAt: .zero, at: .zero)
        #expect(abs(before.parts[0].part - 0.5) < 1e-9)
        _ = machine.word([wish])
        let after = machine.heard([:], sentAt: .zero, at: .zero.advanced(by: .seconds(2)))
        #expect(after.parts[0].part == before.parts[0].part)
    }

    // MARK: What else is told

    @Test("an opening is passed on once, however often it is heard, and the next one again")
    func openings() {
        var fleet = FleetModel(seed: 7)
        let (finder, other) = (fleet.comes(demand: 1), fleet.comes(demand: 1))
        fleet.run(for: .seconds(1))
        func hear(_ steps: Int, until end: Instant) {
            for _ in 0..<steps {
                let left = fleet.now.duration(to: end)
                fleet.opens(finder, for: left > .zero ? left : nil)
                fleet.run(for: .milliseconds(10))
            }
        }
        hear(400, until: fleet.now.advanced(by: .seconds(3)))
        #expect(fleet.openings.map(\.pod) == [other])
        #expect(fleet.openings.allSatisfy { $0.length > .milliseconds(2_400) && $0.length <= .seconds(3) })
        hear(200, until: fleet.now.advanced(by: .seconds(2)))
        #expect(fleet.openings.map(\.pod) == [other, other])
    }

    @Test("where nothing is configured, who was never refused has a part of what the others have found out")
    func learned() {
        var machine = FleetShare(pod: PodID(1), startedAt: .zero)
        _ = machine.word([FleetWish(upstream: "one", demand: 10)])
        let other = FleetWord(number: 1, upstreams: [.init(name: "one", demand: 10, claim: 0.5, learnedRate: 30)])
        let action = machine.heard([PodID(2): other], sentAt: .zero, at: .zero)
        #expect(action.parts[0].learnedRate.map { abs($0 - 15) < 1e-6 } == true)
        _ = machine.word([FleetWish(upstream: "one", demand: 10, learnedRate: 12)])
        let own = machine.heard([PodID(2): other], sentAt: .zero, at: .zero)
        #expect(own.parts[0].learnedRate == nil)
    }

    @Test("where there are very many pods they speak less often, and their words live longer")
    func pace() {
        var machine = FleetShare(pod: PodID(0), startedAt: .zero)
        let word = FleetWord(number: 1, upstreams: [])
        let others = Dictionary(uniqueKeysWithValues: (1..<1_000).map { (PodID($0), word) })
        let action = machine.heard(others, sentAt: .zero, at: .zero)
        #expect(action.speakAt == .zero.advanced(by: .milliseconds(2_500)))
        #expect(machine.life == .seconds(30))
    }
}

@Suite("Max-min fair shares")
struct MaxMinSharesTests {
    @Test("small demands are met, large ones share what is left alike")
    func filling() {
        let parts = MaxMinShares.divide([5, 10, 500, 400], capacity: 50)
        #expect(zip(parts, [0.1, 0.2, 0.35, 0.35]).allSatisfy { abs($0 - $1) < 1e-9 })
    }

    @Test("what nobody wants is everybody's")
    func spare() {
        let parts = MaxMinShares.divide([0, 25], capacity: 50)
        #expect(abs(parts.reduce(0, +) - 1) < 1e-9 && parts[1] > parts[0] && parts[1] >= 0.5 && parts[0] > 0.2)
    }

    @Test("where the capacity is not known they are in proportion to the demands, and equal where nobody wants any")
    func unknown() {
        let parts = MaxMinShares.divide([10, 30], capacity: nil)
        #expect(abs(parts[0] - 0.25) < 0.02 && abs(parts[1] - 0.75) < 0.02)
        #expect(MaxMinShares.divide([0, 0], capacity: nil).allSatisfy { abs($0 - 0.5) < 1e-9 })
    }

    @Test(
        "whatever is wanted, the sum is one, nobody is below the floor, and who wants no less has no less",
        arguments: 1...200)
    func properties(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let demands = (0..<Int.random(in: 1...40, using: &random)).map { _ -> Double in
            switch Int.random(in: 0...5, using: &random) {
            case 0: return 0
            case 1: return Double.infinity
            case 2: return Double.random(in: 0...1e9, using: &random)
            default: return Double.random(in: 0...100, using: &random)
            }
        }
        let capacity = Bool.random(using: &random) ? Double.random(in: 0.01...1_000, using: &random) : nil
        let parts = MaxMinShares.divide(demands, capacity: capacity)
        let sum = parts.reduce(0, +)
        #expect(sum <= 1 && sum > 1 - 1e-9)
        #expect(parts.allSatisfy { $0 >= min(0.02, 0.05 / Double(demands.count)) * (1 - 1e-9) })
        for (one, first) in zip(demands, parts) where one.isFinite {
            for (other, second) in zip(demands, parts) where other.isFinite && other >= one {
                #expect(second >= first - 1e-9)
            }
        }
    }
}
