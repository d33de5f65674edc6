/// How many attempts succeeded, failed or were slow in the last while: a ring of ten parts of it. O(10).
struct OutcomeWindow: Hashable, Sendable {
    struct Counts: Hashable, Sendable {
        var total = 0
        var failed = 0
        var slow = 0

        var successRatio: Double { total == 0 ? 1 : 1 - Double(failed) / Double(total) }
        var failureRatio: Double { total == 0 ? 0 : Double(failed) / Double(total) }
        var slowRatio: Double { total == 0 ? 0 : Double(slow) / Double(total) }

        mutating func add(_ other: Counts) {
            total += other.total
            failed += other.failed
            slow += other.slow
        }
    }

    private static let partCount: Int64 = 10

    private let partNanoseconds: Int64
    private var parts = [Counts](repeating: Counts(), count: Int(partCount))
    /// The part of time that was counted last; older ones are in the ring behind it.
    private var latest: Int64 = .min

    /// - Parameter length: of the whole window. Positive.
    init(_ length: Duration) { partNanoseconds = max(1, length.nanoseconds / Self.partCount) }

    mutating func note(failed: Bool, slow: Bool, at now: Instant) {
        let part = move(to: now)
        parts[part].total += 1
        if failed { parts[part].failed += 1 }
        if slow { parts[part].slow += 1 }
    }

    func counts(at now: Instant) -> Counts {
        var sum = Counts()
        let current = max(now.nanoseconds / partNanoseconds, latest)
        for age in 0..<Self.partCount {
            // What lies behind the latest part by more than the ring is long has been overwritten, or is too old.
            let number = current - age
            guard number <= latest else { continue }
            sum.add(parts[Self.place(number)])
        }
        return sum
    }

    private mutating func move(to now: Instant) -> Int {
        let current = now.nanoseconds / partNanoseconds
        guard current > latest else { return Self.place(latest) }
        let first = latest == .min ? current - Self.partCount + 1 : max(latest + 1, current - Self.partCount + 1)
        for number in first...current { parts[Self.place(number)] = Counts() }
        latest = current
        return Self.place(current)
    }

    private static func place(_ number: Int64) -> Int {
        Int(((number % partCount) + partCount) % partCount)
    }
}
