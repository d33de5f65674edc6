import Glibc

/// Why nothing more can be measured.
struct Fault: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

func fail(_ reason: String) -> Never {
    let line = Array("peer-load: \(reason)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(1)
}
