import Glibc

/// Looks at one process's processor time. It must be there at the beginning, and need not be at the end.
struct ProcessWatch: Sendable {
    let pid: Int32
    let name: String

    init(pid: Int32) throws(CommandFailure) {
        guard let stat = ProcessStat.read(pid: pid) else { throw CommandFailure("no process has the pid \(pid)") }
        self.pid = pid
        name = stat.name
    }

    func look() -> ProcessStat? { ProcessStat.read(pid: pid) }

    /// Nil where it was gone, or was another, at one of the two.
    func seconds(from earlier: ProcessStat?, to later: ProcessStat?) -> Double? {
        guard let earlier, let later else { return nil }
        return later.seconds(since: earlier, ticksPerSecond: sysconf(Int32(_SC_CLK_TCK)))
    }
}
