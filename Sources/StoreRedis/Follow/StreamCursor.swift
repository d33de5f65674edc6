import SamovarCore
import SamovarEngine

/// How far one attempt's stream is read, and what its replies mean.
struct StreamCursor: Sendable {
    let key: RequestKey
    let attempt: AttemptID
    private let stream: [UInt8]
    /// The last entry's name in Redis.
    private var last = Array("0-0".utf8)
    /// No entry may have a lower index.
    private var indexMin: UInt32 = 0

    /// How many entries are taken at once.
    static let entryMax = 64
    /// No reply to a read is larger.
    static let replySizeMax = entryMax * (StreamEntry.byteMax + Seal.overheadMax + 64) + (64 << 10)

    init(key: RequestKey, attempt: AttemptID, stream: [UInt8]) {
        self.key = key
        self.attempt = attempt
        self.stream = stream
    }

    /// The next read.
    var command: [[UInt8]] {
        [
            Array("XREAD".utf8), Array("COUNT".utf8), Array(String(Self.entryMax).utf8), Array("STREAMS".utf8), stream,
            last,
        ]
    }

    enum Outcome: Hashable, Sendable {
        case entries([PublishedEntry])
        /// What came is not this attempt's, or damaged.
        case unreadable
        /// No reply to what was asked.
        case strange
    }

    /// What a reply brings. O(bytes).
    mutating func read(_ reply: RESPValue, seal: Seal) -> Outcome {
        if reply == .null { return .entries([]) }
        guard case .array(let streams) = reply, streams.count == 1, case .array(let parts) = streams[0],
            parts.count == 2, parts[0] == .bulk(stream), case .array(let rows) = parts[1],
            rows.count <= Self.entryMax
        else { return .strange }
        var entries: [PublishedEntry] = []
        for row in rows {
            guard case .array(let columns) = row, columns.count == 2, case .bulk(let name) = columns[0],
                Self.isName(name), case .array(let fields) = columns[1]
            else { return .strange }
            guard fields.count == 2, fields[0] == .bulk([UInt8(ascii: "e")]), case .bulk(let bytes) = fields[1],
                let (entry, index) = StreamEntry.decode(bytes, of: attempt, for: key, seal: seal), index >= indexMin,
                index < .max
            else { return .unreadable }
            entries.append(entry)
            last = name
            indexMin = index + 1
        }
        return .entries(entries)
    }

    /// `<milliseconds>-<number>`: what goes back to Redis is nothing else.
    private static func isName(_ name: [UInt8]) -> Bool {
        let parts = name.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                (1...20).contains(part.count)
                    && part.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            }
    }
}
