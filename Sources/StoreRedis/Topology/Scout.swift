/// Finds out who the primaries are, for as long as they are used.
protocol Scout: Sendable {
    /// They may be others by now. From any thread, however often.
    func troubled()
    /// Returns after `end`.
    func run(_ primaries: Primaries) async
    func end()
}
