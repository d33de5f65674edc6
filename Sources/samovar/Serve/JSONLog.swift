import Glibc
import Logging
import SamovarEngine

/// Writes each log line as one JSON object to standard error, in one write.
///
/// Never given a prompt, an answer, a credential or a whole key: whoever logs sees to that.
struct JSONLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level {
        get { level.current }
        set { level.current = newValue }
    }
    /// Shared by all loggers, so that a reload changes it for all.
    let level: LogLevel
    private let label: String

    init(label: String, level: LogLevel) {
        self.label = label
        self.level = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let wall = SystemClock().wallNow.milliseconds
        var line = "{\"ts\":\(wall / 1_000).\(Self.padded(wall % 1_000)),\"level\":\"\(event.level)\""
        line += ",\"logger\":\"\(label)\",\"message\":\(Self.quoted(event.message.description))"
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for key in all.keys.sorted() { line += ",\(Self.quoted(key)):\(Self.quoted(all[key]?.description ?? ""))" }
        line += "}\n"
        var text = line
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func padded(_ milliseconds: Int64) -> String {
        let digits = String(milliseconds)
        return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\u{0}"..<" ": quoted += " "
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// The least that is worth a line, for all loggers of the process.
final class LogLevel: Sendable {
    private let level: Lock<Logger.Level>

    init(_ level: Logger.Level) { self.level = Lock(level) }

    var current: Logger.Level {
        get { level.withLock { $0 } }
        set { level.withLock { $0 = newValue } }
    }
}
