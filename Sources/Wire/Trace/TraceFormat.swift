/// How a trace is written down.
public enum TraceFormat: String, CaseIterable, Hashable, Sendable {
    /// Big-endian integers of 4 bytes, a key each.
    case keys32
    /// Big-endian integers of 8 bytes, a key each.
    case keys64
    /// A key on each line; lines of `*` are marks of the recorder.
    case lines
    /// `time key size` on each line.
    case sized
    /// The same, where one key with two sizes is two objects.
    case sizedObjects = "sized-objects"
    /// `start count …` on each line: so many keys from that one on.
    case ranges
    /// An access log: a JSON object on each line (`TraceLogLine`).
    case log

    /// Whether a trace in it says when each request came.
    public var hasTimes: Bool {
        switch self {
        case .sized, .sizedObjects, .log: true
        case .keys32, .keys64, .lines, .ranges: false
        }
    }

    /// Whether a trace in it says how large the answers were.
    public var hasSizes: Bool { hasTimes }

    /// What text beginning like this is written in: by its first line. nil where it is no text, or no such text.
    public init?(guessedFrom beginning: [UInt8]) {
        let line = beginning.prefix { $0 != 0x0A }
        guard line.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 || $0 == 0x0D || $0 >= 0x80 }) else {
            return nil
        }
        if line.first(where: { $0 > 0x20 }) == UInt8(ascii: "{") {
            self = .log
            return
        }
        let columns = line.split { $0 <= 0x20 }
        guard columns.allSatisfy({ $0.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
        switch columns.count {
        case 1: self = .lines
        case 3: self = .sized
        case 2, 4: self = .ranges
        default: return nil
        }
    }
}

/// What is wrong with a trace, and where.
public struct TraceError: Error, Hashable, Sendable {
    /// From 1; nil in formats without lines.
    public let line: Int?
    /// Never carries a piece of the trace beyond a number: prompts may stand in it.
    public let reason: String

    public init(line: Int?, _ reason: String) {
        self.line = line
        self.reason = reason
    }
}
