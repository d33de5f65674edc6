/// Where a node of a cluster sends a command instead: `MOVED <slot> <host>:<port>`, or `ASK` with the same.
struct Redirection: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// The slot is kept there from now on.
        case moved
        /// The slot is on its way there: this command, and only this one.
        case ask
    }

    let kind: Kind
    let slot: HashSlot
    /// Empty: the host that was asked.
    let host: String
    let port: Int

    /// No such line is longer.
    static let lineSizeMax = 512

    /// Reads an error line. Nil where it is none of the two, or not well formed. O(bytes).
    init?(line: some Collection<UInt8>) {
        guard line.count <= Self.lineSizeMax else { return nil }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, let slot = Int(words[1]).flatMap(HashSlot.init),
            let colon = words[2].lastIndex(of: ":"), let port = Int(words[2][words[2].index(after: colon)...])
        else { return nil }
        switch words[0] {
        case "MOVED": kind = .moved
        case "ASK": kind = .ask
        default: return nil
        }
        self.slot = slot
        self.host = String(words[2][..<colon])
        self.port = port
    }
}
