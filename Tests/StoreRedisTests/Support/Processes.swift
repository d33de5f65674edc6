import Glibc
import SamovarEngine

/// No child starts between the making of a pipe and its marking as ours alone.
private let spawning = Lock(())

/// A program started by a test, and killed with it.
///
/// Started with an empty signal mask: a child of a dispatch thread would inherit blocked signals and could not be
/// stopped.
final class ChildProcess: Sendable {
    let processID: pid_t

    /// - Parameter output: where it writes what it has to say; nil: nowhere.
    init(_ path: String, _ arguments: [String], output: Int32? = nil) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        for descriptor: Int32 in [1, 2] {
            posix_spawn_file_actions_addopen(&files, descriptor, "/dev/null", O_WRONLY, 0)
        }
        if let output { posix_spawn_file_actions_adddup2(&files, output, 1) }
        var child: pid_t = 0
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        let status = spawning.withLock { _ in posix_spawn(&child, path, &files, &attributes, &argv, environ) }
        guard status == 0 else { throw ProcessError.cannotStart(path) }
        processID = child
    }

    func send(_ signal: Int32) { kill(processID, signal) }

    /// Its exit code.
    func wait() -> Int32 {
        var status: Int32 = 0
        waitpid(processID, &status, 0)
        return status >> 8 & 0xFF
    }
}

/// A pipe that no other child inherits: once its writer is gone, it ends.
struct Pipe: ~Copyable {
    let reader: Int32
    private(set) var writer: Int32?

    init() throws {
        var ends: [Int32] = [0, 0]
        let isMade = spawning.withLock { _ in
            guard pipe(&ends) == 0 else { return false }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return true
        }
        guard isMade else { throw ProcessError.failed("pipe") }
        (reader, writer) = (ends[0], ends[1])
    }

    /// Our own end, so that the child's is the last.
    mutating func closeWriter() {
        if let writer { close(writer) }
        writer = nil
    }

    /// Reads until this text has come, or false when everything has and this has not.
    func read(until text: String) -> Bool {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        while !String(decoding: bytes, as: UTF8.self).contains(text) {
            let count = Glibc.read(reader, &piece, piece.count)
            guard count > 0 else { return false }
            bytes += piece[..<count]
        }
        return true
    }

    deinit {
        if let writer { close(writer) }
        close(reader)
    }
}

enum ProcessError: Error {
    case cannotStart(String)
    case failed(String)
    case noPort
}

/// Where a program is, or nil where it is not installed.
func installed(_ name: String) -> String? {
    ["/usr/bin/", "/usr/local/bin/", "/bin/"].map { $0 + name }.first { access($0, X_OK) == 0 }
}

/// A port on which nobody listens, given to nobody else in this process.
///
/// A server cannot be told to take any port and say which. One that the kernel picks (bind 0) was of no use: whoever
/// lost a server goes on connecting to where it was, and would find that of another test there, or, where nobody
/// listens, in the end itself, as the kernel gives the same ports to those who connect. Hence each port once, and below
/// `ip_local_port_range`; so is the one on which nodes of a cluster speak with each other, 10,000 above.
func freePort() throws -> Int {
    for _ in 0..<portRange.count {
        let port = nextPort.withLock { next in
            defer { next = next + 1 < portRange.upperBound ? next + 1 : portRange.lowerBound }
            return next
        }
        if isFree(port), isFree(port + 10_000) { return port }
    }
    throw ProcessError.noPort
}

private let portRange = 11_000..<22_000
/// Elsewhere in each process, so that two that run side by side seldom try the same.
private let nextPort = Lock(portRange.lowerBound + Int(getpid()) &* 211 % portRange.count)

private func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    address.sin_port = UInt16(port).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// A directory of its own, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/samovar-redis-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw ProcessError.failed("mkdtemp") }
        path = String(cString: made)
    }

    deinit {
        guard let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            unlink("\(path)/\(name)")
        }
        closedir(directory)
        rmdir(path)
    }
}
