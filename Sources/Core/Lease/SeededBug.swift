extension LeaseMachine {
    /// Rules left out on purpose, so that a simulation can show that it would notice.
    package struct SeededBugs: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// A flight goes on with the next attempt after something of the first was delivered.
        package static let splices = SeededBugs(rawValue: 1)
        /// Gaps and short ends go unnoticed.
        package static let noIndexCheck = SeededBugs(rawValue: 2)
        /// The upstream is called on the strength of a question of any age.
        package static let callsLate = SeededBugs(rawValue: 4)
        /// A dead pod is waited for until Redis lets its lease expire.
        package static let trustsExpiry = SeededBugs(rawValue: 8)
        /// A lease is renewed however long the upstream has been silent.
        package static let beatsWithoutProgress = SeededBugs(rawValue: 16)
        /// The lease of what was invalidated is kept.
        package static let keepsInvalidated = SeededBugs(rawValue: 32)
        /// The upstream's answer is read to its end though nobody wants it.
        package static let readsForNobody = SeededBugs(rawValue: 64)
        /// The upstream is given up with the last local caller, whoever follows elsewhere.
        package static let forgetsFollowers = SeededBugs(rawValue: 128)
    }
}
