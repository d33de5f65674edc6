/// Who has had no more than their share of something that all want at the same time.
///
/// Virtual time goes on by what was granted, divided by those who want it: the part that each would have had, had all
/// been served side by side. Each has a start, which goes on by what it was granted itself. Who is not ahead of the
/// virtual time is *eligible*. Start-time fair queueing (Goyal, Vin, Cheng, "Start-time fair queuing", IEEE/ACM ToN
/// 5(5), 1997) with the eligibility of Stoica and Abdel-Wahab ("Earliest eligible virtual deadline first", 1995). Who
/// could not go for long is owed one turn, not all that it has missed. All calls are O(1).
struct FairShare<Member: Hashable & Sendable>: Sendable {
    private var virtualTime = 0.0
    private var starts: [Member: Double] = [:]
    /// The largest turn of late: the most that anybody is owed.
    private var turnMax = 0.0
    /// How many want something now.
    private(set) var wantingCount = 0

    /// One begins to want something: it starts now, unless it has had more than its share before.
    mutating func joins(_ member: Member) {
        wantingCount += 1
        starts[member] = max(starts[member] ?? 0, virtualTime)
    }

    /// It wants nothing any more.
    mutating func leaves(_ member: Member) {
        wantingCount -= 1
        // When nobody wants anything, nobody is owed anything, and nobody owes.
        guard wantingCount > 0 else {
            virtualTime = 0
            turnMax = 0
            starts.removeAll(keepingCapacity: true)
            return
        }
        // What it has had too much is remembered while others want something: to leave and come back gains nothing.
        if isEligible(member) { starts[member] = nil }
        if starts.count > 2 * wantingCount + 64 { forgetSettled() }
    }

    func isEligible(_ member: Member) -> Bool { start(of: member) <= virtualTime }

    /// How far it is: the least has had the least.
    func start(of member: Member) -> Double { starts[member] ?? virtualTime }

    /// It was granted that much. It still counts as one who wants it.
    mutating func charge(_ member: Member, _ work: Int) {
        let work = Double(max(1, work))
        // Of those who may go it is the first: time goes on to it.
        virtualTime = max(virtualTime, start(of: member))
        turnMax = max(turnMax, work)
        starts[member] = max(start(of: member), virtualTime - turnMax) + work
        virtualTime += work / Double(max(1, wantingCount))
    }

    /// Those who want nothing, and by now have had no more than their share. O(members), once in a while.
    private mutating func forgetSettled() {
        starts = starts.filter { $0.value > virtualTime }
    }
}
