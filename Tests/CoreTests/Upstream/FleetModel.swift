import TestSupport

@testable import SamovarCore

/// Pods around one store, with ways of random length, lost words, and demands that change.
struct FleetModel {
    struct Faults {
        /// In 0...1: of the words, before the store has them; of the answers, after it.
        var lostWords = 0.0
        var lostAnswers = 0.0
        /// How often a lost word comes after all, when its successor may have been there.
        var lateWords = 0.0
    }

    private struct Pod {
        var machine: FleetShare
        var demand: Double
        var openFor: Duration?
        var parts: [String: FleetPart] = [:]
        var isCut = false
    }

    private struct Kept {
        let word: FleetWord
        let until: Instant
    }

    private enum Event {
        case speaks(PodID)
        case arrives(PodID, FleetWord, Duration, sentAt: Instant, isAnswered: Bool)
        case answered(PodID, [PodID: FleetWord]?, sentAt: Instant)
    }

    static let upstream = "one"
    private static let timeout = Duration.milliseconds(50)

    private(set) var now = Instant.zero
    var faults = Faults()
    var capacity: Double? = 50
    private var pods: [PodID: Pod] = [:]
    private var words: [PodID: Kept] = [:]
    private var events: [(at: Instant, number: Int, event: Event)] = []
    private var number = 0
    private var lastPod: UInt64 = 0
    private var random: SeededGenerator
    /// The largest sum of parts so far.
    private(set) var sumMax = 0.0
    private(set) var exchangeCount = 0
    /// What pods were told of others' breakers.
    private(set) var openings: [(pod: PodID, length: Duration)] = []

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    var all: [PodID] { pods.keys.sorted { $0.number < $1.number } }
    func part(of pod: PodID) -> FleetPart? { pods[pod]?.parts[Self.upstream] }
    var sum: Double { pods.values.reduce(0) { $0 + ($1.parts[Self.upstream]?.part ?? 0) } }

    // MARK: What happens

    mutating func comes(demand: Double = 0) -> PodID {
        lastPod += 1
        // Not in the order in which they come.
        let pod = PodID(lastPod &* 0x9E37_79B9_7F4A_7C15)
        pods[pod] = Pod(machine: FleetShare(pod: pod, startedAt: now), demand: demand)
        schedule(.speaks(pod), after: .zero)
        return pod
    }

    /// In order, or killed: then its word stays.
    mutating func goes(_ pod: PodID, inOrder: Bool) {
        pods[pod] = nil
        if inOrder { words[pod] = nil }
    }

    mutating func wants(_ pod: PodID, _ demand: Double) { pods[pod]?.demand = demand }
    mutating func opens(_ pod: PodID, for length: Duration?) { pods[pod]?.openFor = length }
    mutating func cut(_ pod: PodID, _ isCut: Bool) { pods[pod]?.isCut = isCut }
    mutating func storeForgets() { words = [:] }
    mutating func draw(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &random) }

    mutating func run(for length: Duration) {
        let until = now.advanced(by: length)
        while let index = events.indices.min(by: {
            (events[$0].at, events[$0].number) < (events[$1].at, events[$1].number)
        }),
            events[index].at <= until
        {
            let due = events.remove(at: index)
            now = due.at
            perform(due.event)
            sumMax = max(sumMax, sum)
        }
        now = until
    }

    // MARK: How

    private mutating func schedule(_ event: Event, after wait: Duration) {
        number += 1
        events.append((now.advanced(by: wait), number, event))
    }

    private mutating func way() -> Duration { .microseconds(Int64(draw(100...8_000))) }
    private mutating func happens(_ probability: Double) -> Bool { draw(0...1) < probability }

    private mutating func perform(_ event: Event) {
        switch event {
        case .speaks(let id): speak(id)
        case .arrives(let id, let word, let life, let sentAt, let isAnswered):
            let others = exchange(id, word, life)
            guard isAnswered, pods[id] != nil else { return }
            if happens(faults.lostAnswers) {
                schedule(.answered(id, nil, sentAt: sentAt), after: Self.timeout)
            } else {
                schedule(.answered(id, others, sentAt: sentAt), after: way())
            }
        case .answered(let id, let others, let sentAt): answered(id, others, sentAt: sentAt)
        }
    }

    private mutating func speak(_ id: PodID) {
        guard var pod = pods[id] else { return }
        let wish = FleetWish(
            upstream: Self.upstream, requestsPerSecond: capacity, demand: pod.demand, openFor: pod.openFor)
        let word = pod.machine.word([wish])
        let life = pod.machine.life
        pods[id] = pod
        guard !pod.isCut, !happens(faults.lostWords) else {
            if !pod.isCut, happens(faults.lateWords) {
                let late = Duration.milliseconds(Int64(draw(60...900)))
                schedule(.arrives(id, word, life, sentAt: now, isAnswered: false), after: late)
            }
            return schedule(.answered(id, nil, sentAt: now), after: Self.timeout)
        }
        schedule(.arrives(id, word, life, sentAt: now, isAnswered: true), after: way())
    }

    /// What the store does, in one step.
    private mutating func exchange(_ id: PodID, _ word: FleetWord, _ life: Duration) -> [PodID: FleetWord] {
        exchangeCount += 1
        words = words.filter { $0.value.until > now }
        if pods[id] != nil, word.number > words[id]?.word.number ?? 0 {
            words[id] = Kept(word: word, until: now.advanced(by: life))
        }
        return words.mapValues(\.word)
    }

    private mutating func answered(_ id: PodID, _ others: [PodID: FleetWord]?, sentAt: Instant) {
        guard var pod = pods[id] else { return }
        let action =
            if let others { pod.machine.heard(others, sentAt: sentAt, at: now) } else { pod.machine.missed(at: now) }
        for part in action.parts {
            pod.parts[part.upstream] = part
            if let length = part.openFor { openings.append((id, length)) }
        }
        pods[id] = pod
        schedule(.speaks(id), after: now.duration(to: action.speakAt))
    }
}
