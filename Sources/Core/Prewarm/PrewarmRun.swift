/// One run of a plan in one window: which call goes next, and when it is over.
///
///              budget, failures in a row, window over, nothing left
///     running ───────────────────────────────────────────────────▶ ending ──▶ over
///        │ ▲                                              nobody is under way
///        ▼ │ live traffic is busy: what no answer has begun of is withdrawn, nothing is asked
///      yielding
///
/// Calls go in the plan's order, `interval` apart, `concurrencyMax` at once. Before a call goes its estimate is set
/// aside, so the budget holds by estimates whatever is under way; a call that turns out dearer is counted as it was, and
/// none goes after it that does not fit. What a provider bills of a call that was withdrawn is not known: all of its
/// estimate counts. What must outlive the process is handed out as a `Record` before anything relies on it; a run that
/// is made anew of the last record asks for nothing that was done. O(1) an event but for a withdrawal, O(concurrency).
public struct PrewarmRun: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        public var concurrencyMax = 4
        /// From one call to the next.
        public var interval = Duration.milliseconds(500)
        public var failuresInARowMax = 5

        public init() {}
    }

    /// Why it is over.
    public enum Ending: Hashable, Sendable {
        /// Everything in the plan was asked for.
        case done
        case budget(Budget.Limit)
        /// So many calls failed one after the other: the provider is not well. The next window may try again.
        case failures
        case windowOver
        /// The process is to end. The run may be resumed.
        case stopped
    }

    /// What came of one call.
    public enum Outcome: Hashable, Sendable {
        /// An answer was made, and used so much.
        case made(Spending)
        /// It was there already, fresh: no call was needed.
        case wasThere
        case failed
        /// It was let go of, as asked.
        case withdrawn
    }

    /// What has been done in this window so far, by whichever process.
    public struct Journal: Hashable, Sendable {
        public var done: Set<RequestKey>
        /// With what was set aside for calls under way.
        public var spending: Spending

        public init(done: Set<RequestKey> = [], spending: Spending = Spending()) {
            self.done = done
            self.spending = spending
        }

        /// Takes in a record, in the order in which they were handed out.
        public mutating func note(_ record: Record) {
            if let key = record.done { done.insert(key) }
            spending = record.spending
        }
    }

    /// What is to be kept, before anything else is done for the event that brought it.
    public struct Record: Hashable, Sendable {
        public let done: RequestKey?
        public let spending: Spending
    }

    /// What is to be done now. The parts are independent; `record` comes first.
    public struct Action: Hashable, Sendable {
        public internal(set) var record: Record?
        /// Calls to be let go of; each is reported by `ended` all the same.
        public internal(set) var withdraw: [RequestKey] = []
        public internal(set) var ask: Plan.Item?
        /// When `look` is due again, if nothing happens before; nil: when something happens.
        public internal(set) var lookAgainAt: Instant?
        /// The run is over: nothing is under way, nothing will be asked.
        public internal(set) var ending: Ending?
    }

    private enum Phase: Hashable, Sendable {
        case running
        case ending(Ending)
    }

    private struct Call: Hashable, Sendable {
        /// In the plan.
        let rank: Int
        var isAnswering = false
        var isWithdrawn = false
    }

    public let settings: Settings
    private let items: [Plan.Item]
    private let budget: Budget
    private let endsAt: Instant
    private var phase = Phase.running
    private var isBusy = false
    /// Ranks of what is still to be asked, the worthiest last.
    private var waiting: [Int]
    private var underWay: [Call] = []
    private var spent: Spending
    private var failuresInARow = 0
    private var nextAt: Instant

    /// For progress.
    public private(set) var madeCount = 0
    public private(set) var wasThereCount = 0
    public private(set) var failedCount = 0
    public private(set) var withdrawnCount = 0

    /// - Parameters:
    ///   - items: of a plan, the worthiest first.
    ///   - journal: what was done in this window before.
    ///   - endsAt: when the window, or the time that the budget allows, is over.
    public init(
        _ items: [Plan.Item], journal: Journal = Journal(), budget: Budget, endsAt: Instant,
        settings: Settings = Settings(), at now: Instant
    ) {
        precondition(settings.concurrencyMax > 0 && settings.failuresInARowMax > 0, "at least one")
        self.settings = settings
        self.items = items
        self.budget = budget
        self.endsAt = min(endsAt, now.advanced(by: budget.durationMax))
        waiting = items.indices.reversed().filter { !journal.done.contains(items[$0].key) }
        spent = journal.spending
        nextAt = now
    }

    /// How many are still to be asked for, those under way left out.
    public var waitingCount: Int { waiting.count }
    public var underWayCount: Int { underWay.count }

    /// What was spent, with what is set aside for calls under way.
    public var spending: Spending { underWay.reduce(spent) { $0 + items[$1.rank].spending } }

    /// Something may be due.
    public mutating func look(at now: Instant) -> Action {
        var action = Action()
        if phase == .running, now >= endsAt { end(.windowOver, &action) }
        if phase == .running, waiting.isEmpty, underWay.isEmpty { end(.done, &action) }
        if phase == .running, !isBusy, underWay.count < settings.concurrencyMax, let rank = waiting.last {
            if now < nextAt {
                action.lookAgainAt = nextAt
            } else {
                ask(rank, at: now, &action)
            }
        }
        if case .ending(let ending) = phase, underWay.isEmpty { action.ending = ending }
        if phase == .running, action.lookAgainAt == nil, action.ask == nil { action.lookAgainAt = endsAt }
        return action
    }

    private mutating func ask(_ rank: Int, at now: Instant, _ action: inout Action) {
        if let limit = budget.limit(brokenBy: spending + items[rank].spending) {
            // It may fit once those under way turn out cheaper than their estimates.
            let fitsLater = !underWay.isEmpty && budget.limit(brokenBy: spent + items[rank].spending) == nil
            if !fitsLater { end(.budget(limit), &action) }
            return
        }
        waiting.removeLast()
        underWay.append(Call(rank: rank))
        nextAt = now.advanced(by: settings.interval)
        action.record = Record(done: nil, spending: spending)
        action.ask = items[rank]
        action.lookAgainAt = nextAt
    }

    /// The first token of this call's answer has come: what it costs is being spent, so it is worth its end.
    public mutating func answering(_ key: RequestKey) {
        guard let place = place(of: key) else { return }
        underWay[place].isAnswering = true
    }

    /// A call has come to its end. Look again after it.
    public mutating func ended(_ key: RequestKey, _ outcome: Outcome, at now: Instant) -> Action {
        var action = Action()
        guard let place = place(of: key) else { return action }
        let call = underWay.remove(at: place)
        var done: RequestKey?
        switch outcome {
        case .made(let spending):
            var whole = spending
            whole.requestCount = max(1, spending.requestCount)
            spent = spent + whole
            madeCount += 1
            failuresInARow = 0
            done = key
        case .wasThere:
            wasThereCount += 1
            failuresInARow = 0
            done = key
        case .failed:
            spent = spent + Spending(requestCount: 1)
            failedCount += 1
            failuresInARow += 1
            if failuresInARow >= settings.failuresInARowMax { end(.failures, &action) }
        case .withdrawn:
            spent = spent + items[call.rank].spending
            withdrawnCount += 1
            waiting.append(call.rank)
            waiting.sort(by: >)
        }
        action.record = Record(done: done, spending: spending)
        return action
    }

    /// Live traffic has begun to wait for the upstream, or does no longer. Look again after it.
    public mutating func live(isBusy: Bool, at now: Instant) -> Action {
        var action = Action()
        guard isBusy != self.isBusy else { return action }
        self.isBusy = isBusy
        if isBusy {
            withdraw(&action) { !$0.isAnswering }
        } else {
            nextAt = max(nextAt, now.advanced(by: settings.interval))
        }
        return action
    }

    /// The process is to end: everything under way is let go of. Look again after it.
    public mutating func stop() -> Action {
        var action = Action()
        phase = .ending(.stopped)
        withdraw(&action) { _ in true }
        return action
    }

    private mutating func end(_ ending: Ending, _ action: inout Action) {
        guard phase == .running else { return }
        phase = .ending(ending)
        withdraw(&action) { !$0.isAnswering }
    }

    private mutating func withdraw(_ action: inout Action, _ isIt: (Call) -> Bool) {
        for place in underWay.indices where !underWay[place].isWithdrawn && isIt(underWay[place]) {
            underWay[place].isWithdrawn = true
            action.withdraw.append(items[underWay[place].rank].key)
        }
    }

    private func place(of key: RequestKey) -> Int? {
        underWay.firstIndex { items[$0.rank].key == key }
    }
}
