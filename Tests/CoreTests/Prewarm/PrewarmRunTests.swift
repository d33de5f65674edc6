import Testing

@testable import SamovarCore

@Suite("A run of warming")
struct PrewarmRunTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private static func item(_ number: Int, microUSD: Int = 10) -> Plan.Item {
        Plan.Item(
            key: PlanTests.key(number), facts: PlanTests.facts(prompt: 5, completion: 5), expectedHits: 10,
            offPeakMicroUSD: microUSD, peakMicroUSD: 2 * microUSD)
    }

    private static let used = Spending(requestCount: 1, promptTokenCount: 5, completionTokenCount: 5, microUSD: 10)

    private static func run(
        _ count: Int, journal: PrewarmRun.Journal = .init(), budget: Budget = Budget(), concurrency: Int = 2,
        endsAt: Instant = at(60_000), at now: Instant = .zero
    ) -> PrewarmRun {
        var settings = PrewarmRun.Settings()
        settings.concurrencyMax = concurrency
        settings.interval = .milliseconds(100)
        return PrewarmRun(
            (0..<count).map { item($0) }, journal: journal, budget: budget, endsAt: endsAt, settings: settings, at: now)
    }

    @Test("asks in the plan's order, so many at once and so far apart, and is done when all are")
    func pace() {
        var run = Self.run(3)
        let first = run.look(at: .zero)
        let tooEarly = run.look(at: Self.at(99))
        let second = run.look(at: Self.at(100))
        let full = run.look(at: Self.at(200))
        #expect(first.ask?.key == PlanTests.key(0) && first.lookAgainAt == Self.at(100))
        #expect(tooEarly.ask == nil && tooEarly.lookAgainAt == Self.at(100))
        #expect(second.ask?.key == PlanTests.key(1))
        #expect(full.ask == nil && full.lookAgainAt == Self.at(60_000))
        _ = run.ended(PlanTests.key(1), .made(Self.used), at: Self.at(300))
        #expect(run.look(at: Self.at(300)).ask?.key == PlanTests.key(2))
        _ = run.ended(PlanTests.key(0), .wasThere, at: Self.at(400))
        #expect(run.look(at: Self.at(400)).ending == nil)
        _ = run.ended(PlanTests.key(2), .failed, at: Self.at(500))
        #expect(run.look(at: Self.at(500)).ending == .done)
        #expect(run.madeCount == 1 && run.wasThereCount == 1 && run.failedCount == 1)
        #expect(run.spending == Spending(requestCount: 2, promptTokenCount: 5, completionTokenCount: 5, microUSD: 10))
    }

    @Test("yields at once: withdraws what has not begun to answer, asks nothing, and asks for the same again after it")
    func yields() {
        var run = Self.run(4)
        _ = run.look(at: .zero)
        _ = run.look(at: Self.at(100))
        run.answering(PlanTests.key(0))
        let busy = run.live(isBusy: true, at: Self.at(150))
        #expect(busy.withdraw == [PlanTests.key(1)])
        _ = run.ended(PlanTests.key(1), .withdrawn, at: Self.at(151))
        #expect(run.look(at: Self.at(1_000)).ask == nil)
        #expect(run.live(isBusy: true, at: Self.at(1_001)).withdraw.isEmpty)
        _ = run.live(isBusy: false, at: Self.at(2_000))
        #expect(run.look(at: Self.at(2_000)).ask == nil)
        #expect(run.look(at: Self.at(2_100)).ask?.key == PlanTests.key(1))
        #expect(run.failedCount == 0)
    }

    @Test("five failures in a row end it; one answer among them begins the count anew")
    func failures() {
        var run = Self.run(20, concurrency: 1)
        var now = Instant.zero
        for number in 0..<9 {
            #expect(run.look(at: now).ask?.key == PlanTests.key(number))
            _ = run.ended(PlanTests.key(number), number == 3 ? .made(Self.used) : .failed, at: now)
            now = now.advanced(by: .milliseconds(100))
        }
        #expect(run.look(at: now).ending == .failures)
        #expect(run.waitingCount == 11)
    }

    @Test("a call goes only if the budget has room for it and for all under way, and the bound that ends it is named")
    func budget() {
        var budget = Budget()
        budget.microUSDMax = 25
        var run = Self.run(5, budget: budget, concurrency: 4)
        _ = run.look(at: .zero)
        _ = run.look(at: Self.at(100))
        let third = run.look(at: Self.at(200))
        #expect(third.ask == nil && third.ending == nil)
        // One was cheaper than its estimate, so there is room for another.
        _ = run.ended(PlanTests.key(0), .made(Spending(requestCount: 1, microUSD: 4)), at: Self.at(300))
        #expect(run.look(at: Self.at(300)).ask?.key == PlanTests.key(2))
        _ = run.ended(PlanTests.key(1), .made(Self.used), at: Self.at(400))
        _ = run.ended(PlanTests.key(2), .made(Self.used), at: Self.at(400))
        #expect(run.look(at: Self.at(400)).ending == .budget(.microUSD))
    }

    @Test("the window's end, and the budget's time, end it; what is answering comes to its end")
    func windowOver() {
        var run = Self.run(5, endsAt: Self.at(250))
        _ = run.look(at: .zero)
        _ = run.look(at: Self.at(100))
        run.answering(PlanTests.key(0))
        let over = run.look(at: Self.at(250))
        #expect(over.withdraw == [PlanTests.key(1)] && over.ending == nil && over.ask == nil)
        _ = run.ended(PlanTests.key(1), .withdrawn, at: Self.at(251))
        _ = run.ended(PlanTests.key(0), .made(Self.used), at: Self.at(900))
        #expect(run.look(at: Self.at(900)).ending == .windowOver)
        var short = Budget()
        short.durationMax = .milliseconds(50)
        var brief = Self.run(5, budget: short)
        #expect(brief.look(at: Self.at(50)).ending == .windowOver)
    }

    @Test("stops with the process, and the next one asks only for what was not done")
    func resumed() {
        var run = Self.run(4)
        var journal = PrewarmRun.Journal()
        func noted(_ action: PrewarmRun.Action) -> PrewarmRun.Action {
            if let record = action.record { journal.note(record) }
            return action
        }
        _ = noted(run.look(at: .zero))
        _ = noted(run.look(at: Self.at(100)))
        _ = noted(run.ended(PlanTests.key(0), .made(Self.used), at: Self.at(150)))
        run.answering(PlanTests.key(1))
        #expect(noted(run.stop()).withdraw == [PlanTests.key(1)])
        _ = noted(run.ended(PlanTests.key(1), .withdrawn, at: Self.at(160)))
        #expect(noted(run.look(at: Self.at(160))).ending == .stopped)

        var next = Self.run(4, journal: journal, at: Self.at(500))
        #expect(next.waitingCount == 3 && next.spending.microUSD == 20)
        #expect(next.look(at: Self.at(500)).ask?.key == PlanTests.key(1))
    }

    // Every order of events, as far as it goes.

    /// The machine, the world around it, and what it has promised so far.
    private struct Node: Hashable {
        var run: PrewarmRun
        var journal = PrewarmRun.Journal()
        var now = Int64(0)
        var isBusy = false
        var isStopped = false
        var crashCount = 0
        var underWay: [RequestKey] = []
        var toBeWithdrawn: Set<RequestKey> = []
        var answering: Set<RequestKey> = []
        /// By what they really used; those under way in a crash may have used all of their estimate.
        var reallySpent = 0
        var failuresInARow = 0
        var ending: PrewarmRun.Ending?
    }

    private enum Event: Hashable {
        case look, tick, busy, calm, stop, crash
        case answering(RequestKey)
        case ended(RequestKey, PrewarmRun.Outcome)
    }

    private static let count = 4
    private static let budgetMax = 25
    private static let endsAt = Int64(800)

    private static let explorationBudget: Budget = {
        var budget = Budget()
        budget.microUSDMax = budgetMax
        return budget
    }()

    private static func explored(_ journal: PrewarmRun.Journal, at now: Int64) -> PrewarmRun {
        var settings = PrewarmRun.Settings()
        settings.concurrencyMax = 2
        settings.interval = .milliseconds(100)
        settings.failuresInARowMax = 2
        return PrewarmRun(
            (0..<count).map { item($0) }, journal: journal, budget: explorationBudget, endsAt: at(endsAt),
            settings: settings, at: at(now))
    }

    private static func events(_ node: Node) -> [Event] {
        guard node.ending == nil else { return [] }
        var events: [Event] = [.look]
        if node.now <= endsAt { events.append(.tick) }
        events.append(node.isBusy ? .calm : .busy)
        if !node.isStopped { events.append(.stop) }
        if node.crashCount < 1 { events.append(.crash) }
        for key in node.underWay {
            if !node.answering.contains(key) { events.append(.answering(key)) }
            let cheap = Spending(requestCount: 1, microUSD: 3)
            events += [
                .ended(key, .made(used)), .ended(key, .made(cheap)), .ended(key, .wasThere), .ended(key, .failed),
            ]
            if node.toBeWithdrawn.contains(key) { events.append(.ended(key, .withdrawn)) }
        }
        return events
    }

    /// The node after the event, and the promises that were broken on the way.
    private static func step(_ before: Node, _ event: Event) -> (Node, [String]) {
        var node = before
        var broken: [String] = []
        var action = PrewarmRun.Action()
        switch event {
        case .look: action = node.run.look(at: at(node.now))
        case .tick:
            node.now += 100
            action = node.run.look(at: at(node.now))
        case .busy, .calm:
            node.isBusy = event == .busy
            action = node.run.live(isBusy: node.isBusy, at: at(node.now))
            let idle = Set(node.underWay).subtracting(node.answering).subtracting(before.toBeWithdrawn)
            if event == .busy, before.run.underWayCount > 0, Set(action.withdraw) != idle {
                broken.append("busy withdraws those without an answer, and all of them")
            }
        case .stop:
            node.isStopped = true
            action = node.run.stop()
            let left = Set(node.underWay).subtracting(before.toBeWithdrawn)
            if Set(action.withdraw) != left { broken.append("stop lets go of everything") }
        case .crash:
            node.crashCount += 1
            node.reallySpent += node.underWay.count * 10
            node.run = explored(node.journal, at: node.now)
            (node.underWay, node.toBeWithdrawn, node.answering) = ([], [], [])
            (node.isBusy, node.isStopped, node.failuresInARow) = (false, false, 0)
        case .answering(let key):
            node.run.answering(key)
            node.answering.insert(key)
        case .ended(let key, let outcome):
            action = node.run.ended(key, outcome, at: at(node.now))
            node.underWay.removeAll { $0 == key }
            node.toBeWithdrawn.remove(key)
            node.answering.remove(key)
            switch outcome {
            case .made(let spending): node.reallySpent += spending.microUSD
            case .withdrawn: node.reallySpent += 10
            case .wasThere, .failed: break
            }
            if outcome == .failed { node.failuresInARow += 1 } else if outcome != .withdrawn { node.failuresInARow = 0 }
            let isDone = outcome != .failed && outcome != .withdrawn
            if (action.record?.done == key) != isDone { broken.append("what is done is recorded, and nothing else") }
        }
        if let record = action.record { node.journal.note(record) }
        for key in action.withdraw {
            if !node.underWay.contains(key) { broken.append("withdraws what is not under way") }
            if !node.toBeWithdrawn.insert(key).inserted { broken.append("withdraws twice") }
        }
        if let ask = action.ask {
            if node.isBusy { broken.append("asks while live traffic waits") }
            if node.isStopped { broken.append("asks after it was stopped") }
            if node.now >= endsAt { broken.append("asks after the window") }
            if before.journal.done.contains(ask.key) { broken.append("asks again for what is done") }
            if node.underWay.contains(ask.key) { broken.append("asks for what is under way") }
            if node.failuresInARow >= 2 { broken.append("asks after too many failures") }
            node.underWay.append(ask.key)
        }
        if node.underWay.count > 2 { broken.append("more at once than allowed") }
        if node.reallySpent + node.underWay.count * 10 > budgetMax { broken.append("above the budget") }
        if node.journal.spending.microUSD < node.reallySpent { broken.append("records less than was spent") }
        if node.run.underWayCount != node.underWay.count { broken.append("forgets what is under way") }
        if let ending = action.ending {
            node.ending = ending
            if !node.underWay.isEmpty { broken.append("over, and still under way") }
            if (ending == .stopped) != node.isStopped, ending != .done, node.isStopped { broken.append("not stopped") }
        }
        return (node, broken)
    }

    @Test("keeps all its promises in every order of events, a crash among them")
    func everyOrder() {
        var known: Set<Node> = []
        var frontier = [Node(run: Self.explored(.init(), at: 0))]
        var endings: Set<PrewarmRun.Ending> = []
        var broken: Set<String> = []
        var stuck = 0
        for _ in 0..<11 {
            var next: [Node] = []
            for node in frontier {
                var moves = 0
                for event in Self.events(node) {
                    let (after, wrong) = Self.step(node, event)
                    broken.formUnion(wrong)
                    if let ending = after.ending { endings.insert(ending) }
                    guard known.insert(after).inserted else { continue }
                    moves += 1
                    next.append(after)
                }
                if moves == 0, node.ending == nil, Self.events(node).isEmpty { stuck += 1 }
            }
            frontier = next
            if known.count > 120_000 { break }
        }
        #expect(broken == [])
        #expect(stuck == 0)
        #expect(known.count > 10_000)
        #expect(endings.isSuperset(of: [.done, .failures, .stopped, .budget(.microUSD)]))
    }

    @Test("comes to an end from wherever it is, once live traffic is calm and calls end")
    func alwaysEnds() {
        var known: Set<Node> = []
        var frontier = [Node(run: Self.explored(.init(), at: 0))]
        var endless = 0
        for _ in 0..<7 {
            var next: [Node] = []
            for node in frontier {
                for event in Self.events(node) {
                    let (after, _) = Self.step(node, event)
                    guard known.insert(after).inserted else { continue }
                    next.append(after)
                    if !Self.ends(after) { endless += 1 }
                }
            }
            frontier = next
            if known.count > 5_000 { break }
        }
        #expect(endless == 0)
    }

    /// Whether it is over within a hundred steps when nothing stands in its way.
    private static func ends(_ start: Node) -> Bool {
        var node = start
        if node.isBusy { node = step(node, .calm).0 }
        for _ in 0..<100 where node.ending == nil {
            if let key = node.underWay.first {
                let outcome: PrewarmRun.Outcome = node.toBeWithdrawn.contains(key) ? .withdrawn : .made(used)
                node = step(node, .ended(key, outcome)).0
            }
            node = step(node, .tick).0
        }
        return node.ending != nil
    }
}
