import Foundation

/// What the kernel says of a process in `/proc/<pid>/stat` (proc(5)).
struct ProcessStat: Hashable, Sendable {
    /// The program's name, cut to 15 bytes by the kernel.
    let name: String
    /// Processor time of all its threads, in ticks.
    let userTicks: UInt64
    let systemTicks: UInt64
    /// When it began, in ticks since the machine did: another process may get its number after it.
    let startTicks: UInt64

    /// Nil for what is no such line. The name may hold blanks and brackets: fields are counted behind the last bracket.
    init?(parsing line: String) {
        guard let open = line.firstIndex(of: "("), let close = line.lastIndex(of: ")"), open < close else { return nil }
        let fields = line[line.index(after: close)...].split(whereSeparator: \.isWhitespace)
        // State is field 3 of the page, and the first here.
        guard fields.count > 19, let user = UInt64(fields[11]), let system = UInt64(fields[12]),
            let start = UInt64(fields[19])
        else { return nil }
        name = String(line[line.index(after: open)..<close])
        (userTicks, systemTicks, startTicks) = (user, system, start)
    }

    /// Processor time since an earlier look, in seconds; nil where that was another process.
    ///
    /// - Parameter ticksPerSecond: `sysconf(_SC_CLK_TCK)`. Times are whole ticks, so a difference is off by two at most.
    func seconds(since earlier: ProcessStat, ticksPerSecond: Int) -> Double? {
        guard startTicks == earlier.startTicks, ticksPerSecond > 0 else { return nil }
        let (now, then) = (userTicks + systemTicks, earlier.userTicks + earlier.systemTicks)
        return now < then ? nil : Double(now - then) / Double(ticksPerSecond)
    }

    /// Looks now; nil where there is no such process.
    static func read(pid: Int32) -> ProcessStat? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
        return ProcessStat(parsing: String(decoding: data, as: UTF8.self))
    }
}
