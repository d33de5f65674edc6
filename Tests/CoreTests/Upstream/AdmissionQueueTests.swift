import TestSupport
import Testing

@testable import SamovarCore

private func tenant(_ name: String) -> Tenant { .listener(name) }

private func at(_ milliseconds: Int) -> Instant { Instant.zero.advanced(by: .milliseconds(milliseconds)) }

private func place(
    _ number: Int, _ requestClass: RequestClass = .interactive, of name: String = "alice", model: String = "m",
    by deadline: Int = 1_000, callers: Int = 1, work: Int = 1
) -> AdmissionQueue.Place {
    AdmissionQueue.Place(
        ticket: .init(number: number), requestClass: requestClass, tenant: tenant(name), model: model,
        deadline: at(deadline), callerCount: callers, work: work)
}

extension AdmissionQueue {
    /// Lets all go, in the order in which they do.
    fileprivate mutating func drain() -> [Int] {
        var numbers: [Int] = []
        while let ticket = next(where: { _, _ in true }) {
            goes(ticket)
            numbers.append(ticket.number)
        }
        return numbers
    }
}

@Suite("The queue before an upstream")
struct AdmissionQueueTests {
    @Test("the class goes before the deadline, the deadline before the number of callers")
    func order() {
        var queue = AdmissionQueue(countMax: 10)
        _ = queue.enter(place(1, .prewarm, by: 100))
        _ = queue.enter(place(2, .batch, by: 200))
        _ = queue.enter(place(3, by: 5_000, callers: 100))
        _ = queue.enter(place(4, by: 1_000))
        _ = queue.enter(place(5, by: 1_020, callers: 3))
        #expect(queue.drain() == [5, 4, 3, 2, 1])
    }

    @Test("a flight for which more callers come to wait goes before others with its deadline")
    func wanted() {
        var queue = AdmissionQueue(countMax: 10)
        _ = queue.enter(place(1))
        _ = queue.enter(place(2))
        queue.update(place(2, callers: 4))
        #expect(queue.drain() == [2, 1])
    }

    @Test("a flight that nobody waited for goes with the class of the one who does now")
    func raised() {
        var queue = AdmissionQueue(countMax: 10)
        _ = queue.enter(place(1, .batch))
        _ = queue.enter(place(2, .prewarm))
        queue.update(place(2, .interactive))
        #expect(queue.count(of: .prewarm) == 0)
        #expect(queue.drain() == [2, 1])
    }

    @Test("a tenant who has waiting what others do not goes in its turn, however early the others' deadlines")
    func flooded() {
        var queue = AdmissionQueue(countMax: 1_000)
        for number in 0..<500 { _ = queue.enter(place(number, of: "mallory", by: 10 + number)) }
        for number in 500..<510 { _ = queue.enter(place(number, of: "bob", by: 100_000)) }
        let first = queue.drain().prefix(21)
        #expect(first.count { $0 >= 500 } >= 9)
    }

    @Test("shares are of what is granted, not of how often")
    func work() {
        var queue = AdmissionQueue(countMax: 1_000)
        for number in 0..<100 { _ = queue.enter(place(number, of: "large", by: number, work: 100)) }
        for number in 100..<1_000 { _ = queue.enter(place(number, of: "small", by: number, work: 10)) }
        let first = queue.drain().prefix(110)
        let large = first.count { $0 < 100 }
        #expect((9...11).contains(large))
    }

    @Test("leaving and coming back gains no tenant anything")
    func comingBack() {
        var queue = AdmissionQueue(countMax: 100)
        var served: [String: Int] = [:]
        var number = 0
        var names: [Int: String] = [:]
        func enter(_ name: String) {
            names[number] = name
            _ = queue.enter(place(number, of: name, by: name == "hopper" ? 0 : 1_000))
            number += 1
        }
        for _ in 0..<30 { enter("stayer") }
        for _ in 0..<20 {
            // One at a time, with the earliest deadline of all.
            enter("hopper")
            for _ in 0..<2 {
                guard let ticket = queue.next(where: { _, _ in true }) else { break }
                queue.goes(ticket)
                served[names[ticket.number] ?? "", default: 0] += 1
            }
            for other in 0..<number where names[other] == "hopper" { queue.leave(.init(number: other)) }
            if served["stayer", default: 0] > 25 { for _ in 0..<5 { enter("stayer") } }
        }
        #expect(served["stayer", default: 0] >= 18)
    }

    @Test("what may not go is skipped, not waited for")
    func skipping() {
        var queue = AdmissionQueue(countMax: 10)
        _ = queue.enter(place(1, model: "slow", by: 10))
        _ = queue.enter(place(2, .batch, model: "quick", by: 500))
        let next = queue.next { _, model in model != "slow" }
        #expect(next?.number == 2)
        #expect(queue.next { _, _ in false } == nil)
        #expect(queue.count == 2)
    }

    @Test("where it is full, the longest of the least urgent gives way, or the newcomer does not come in")
    func full() {
        var queue = AdmissionQueue(countMax: 4)
        for number in 1...3 { _ = queue.enter(place(number, .batch, of: "mallory", by: number * 1_000)) }
        _ = queue.enter(place(4, .batch, of: "bob", by: 9_000))
        // More urgent: the longest queue's last one leaves.
        #expect(queue.enter(place(5, of: "carol")) == .displaced(.init(number: 3)))
        // Fewer places than the longest: so does this one's.
        #expect(queue.enter(place(6, .batch, of: "dave", by: 10_000)) == .displaced(.init(number: 2)))
        // As many as the longest: the latest deadline stays out.
        #expect(queue.enter(place(7, .batch, of: "erin", by: 20_000)) == .full)
        #expect(queue.enter(place(8, .prewarm, of: "frank")) == .full)
        #expect(queue.count == 4)
    }

    @Test("a flood is bounded by its own later deadlines, and the one who floods displaces nobody else")
    func longestDrops() {
        var queue = AdmissionQueue(countMax: 100)
        for number in 0..<10 { _ = queue.enter(place(number, of: "bob \(number)", by: 90_000)) }
        for number in 10..<2_000 {
            if case .displaced(let ticket) = queue.enter(place(number, of: "mallory", by: 2_000 - number)) {
                #expect(ticket.number >= 10)
            }
        }
        #expect(queue.count == 100)
        for number in 0..<10 { #expect(queue.contains(.init(number: number))) }
    }

    @Test("how many are ahead is told by class and by shares")
    func ahead() {
        var queue = AdmissionQueue(countMax: 100)
        for number in 0..<50 { _ = queue.enter(place(number, .batch, of: "mallory")) }
        for number in 50..<53 { _ = queue.enter(place(number, .batch, of: "bob")) }
        _ = queue.enter(place(60, of: "carol"))
        #expect(queue.aheadCount(of: tenant("dave"), .batch) == 1 + 2)
        #expect(queue.aheadCount(of: tenant("bob"), .batch) == 1 + 3 + 4)
        #expect(queue.aheadCount(of: tenant("mallory"), .batch) == 1 + 50 + 3)
        #expect(queue.aheadCount(of: tenant("dave"), .interactive) == 1)
    }

    @Test("whatever is done with it, nothing is lost and nothing goes twice", arguments: 0..<60 as Range<UInt64>)
    func conservation(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = AdmissionQueue(countMax: 40)
        var waiting: [Int: AdmissionQueue.Place] = [:]
        var gone: Set<Int> = []
        for number in 0..<1_500 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let new = place(
                    number, RequestClass.allCases.randomElement(using: &random)!,
                    of: "t\(Int.random(in: 0..<6, using: &random))",
                    model: "m\(Int.random(in: 0..<3, using: &random))",
                    by: Int.random(in: 0..<100_000, using: &random),
                    work: Int.random(in: 1...50, using: &random))
                switch queue.enter(new) {
                case .entered: waiting[number] = new
                case .displaced(let ticket):
                    #expect(waiting.removeValue(forKey: ticket.number) != nil)
                    waiting[number] = new
                case .full:
                    // Nobody who waits is less urgent.
                    #expect(waiting.values.allSatisfy { $0.requestClass <= new.requestClass })
                }
            case 6:
                let ticket = AdmissionQueue.Ticket(number: Int.random(in: 0...number, using: &random))
                queue.leave(ticket)
                waiting[ticket.number] = nil
            case 7:
                guard var one = waiting.values.min(by: { $0.ticket < $1.ticket }) else { continue }
                one.callerCount = Int.random(in: 1...9, using: &random)
                queue.update(one)
                waiting[one.ticket.number] = one
            default:
                let blocked = "m\(Int.random(in: 0..<4, using: &random))"
                let next = queue.next { _, model in model != blocked }
                guard let next else {
                    #expect(waiting.values.allSatisfy { $0.model == blocked })
                    continue
                }
                let chosen = waiting.removeValue(forKey: next.number)
                #expect(chosen != nil && chosen?.model != blocked)
                #expect(gone.insert(next.number).inserted)
                // Strict among classes.
                #expect(
                    waiting.values.allSatisfy {
                        $0.model == blocked || $0.requestClass >= chosen?.requestClass ?? .interactive
                    })
                queue.goes(next)
            }
            #expect(queue.count == waiting.count)
            #expect(queue.count <= 40)
        }
        #expect(queue.drain().count == waiting.count)
    }

    @Test("twenty tenants who all wait are never further apart than a few turns", arguments: 0..<20 as Range<UInt64>)
    func shares(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let served = Self.serve(rounds: 2_000, order: nil, using: &random)
        #expect((served.values.max() ?? 0) - (served.values.min() ?? 0) <= 3)
    }

    @Test("the check of shares fails where there are none")
    func noShares() {
        var random = SeededGenerator(seed: 1)
        let served = Self.serve(rounds: 2_000, order: .anyTenant, using: &random)
        #expect((served["t0"] ?? 0) > 1_000)
    }

    /// Twenty tenants of whom one asks ten times as much, with the earliest deadlines: how often each went.
    private static func serve(
        rounds: Int, order: AdmissionQueue.SeededOrder?, using random: inout SeededGenerator
    ) -> [String: Int] {
        var queue = AdmissionQueue(countMax: 100_000, seeded: order)
        var names: [Int: String] = [:]
        var number = 0
        for tenant in 0..<20 {
            for _ in 0..<(tenant == 0 ? 5_000 : 500) {
                names[number] = "t\(tenant)"
                let deadline = Int.random(in: tenant == 0 ? 0..<1_000 : 1_000..<9_000, using: &random)
                _ = queue.enter(place(number, of: "t\(tenant)", by: deadline))
                number += 1
            }
        }
        var served: [String: Int] = [:]
        for _ in 0..<rounds {
            guard let ticket = queue.next(where: { _, _ in true }) else { break }
            queue.goes(ticket)
            served[names[ticket.number] ?? "", default: 0] += 1
        }
        return served
    }
}
