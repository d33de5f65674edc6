import Foundation
import Synchronization

/// A program started by a test, killed with it. What it writes goes into files.
///
/// Started with an empty signal mask: a child of a dispatch thread would inherit blocked signals and could not be
/// stopped.
final class ChildProcess: Sendable {
    enum Ending: Equatable {
        case exited(Int32)
        case killed(by: Int32)
    }

    let processID: pid_t
    private let folder: TemporaryFolder
    private let ending = Mutex<Ending?>(nil)

    /// - Parameter launcher: the command that becomes the program, where it is to run in other circumstances than ours.
    init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], under launcher: [String] = []
    ) throws {
        _ = Self.preparation
        folder = try TemporaryFolder()
        let command = launcher + [path] + arguments
        processID = try Self.spawn(command[0], Array(command.dropFirst()), environment, folder)
        Self.living.withLock { [processID] in _ = $0.insert(processID) }
    }

    deinit { kill() }

    var output: String { folder.read("stdout") }
    var errors: String { folder.read("stderr") }

    func send(_ signal: Int32) { Glibc.kill(processID, signal) }

    /// Gone at once.
    func kill() {
        guard hasEnded() == nil else { return }
        send(SIGKILL)
        send(SIGCONT)
        _ = eventually { hasEnded() != nil }
    }

    /// How it ended; nil while it runs.
    func hasEnded() -> Ending? {
        ending.withLock { ending in
            if ending != nil { return ending }
            var status: Int32 = 0
            guard waitpid(processID, &status, WNOHANG) == processID else { return nil }
            ending = status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(by: status & 0x7F)
            Self.living.withLock { [processID] in _ = $0.remove(processID) }
            return ending
        }
    }

    /// How it ends, if it does in time.
    func ends(within length: Duration = .patience) -> Ending? {
        _ = eventually(within: length) { hasEnded() != nil }
        return hasEnded()
    }

    /// The first line of its output that starts so; an error when it ends or the time passes without one.
    func line(startingWith start: String) throws -> String {
        var found: Substring?
        _ = eventually {
            found = output.split(separator: "\n").first { $0.hasPrefix(start) && output.hasSuffix("\n") }
            return found != nil || hasEnded() != nil
        }
        guard let found else { throw HarnessError.notReady(start, output: output + errors) }
        return String(found)
    }

    // MARK: Starting

    private static let living = Mutex<Set<pid_t>>([])

    /// As many connections as we may have, and nobody left behind at the end.
    private static let preparation: Void = {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        signal(SIGPIPE, SIG_IGN)
        atexit {
            for processID in ChildProcess.living.withLock({ $0 }) { Glibc.kill(processID, SIGKILL) }
        }
    }()

    private static func spawn(
        _ path: String, _ arguments: [String], _ environment: [String: String], _ folder: TemporaryFolder
    ) throws -> pid_t {
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
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, 1, folder.file("stdout"), O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_addopen(&files, 2, folder.file("stderr"), O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SAMOVAR__") }
        variables.merge(environment) { $1 }
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, path, &files, &attributes, &argv, &envp)
        guard code == 0 else { throw HarnessError.system("posix_spawn \(path)", code) }
        return child
    }
}

/// Where programs are.
enum Program {
    /// One of ours, as built.
    static func built(_ name: String) throws -> String {
        let path = "\(folder)/\(name)"
        guard access(path, X_OK) == 0 else { throw HarnessError.notBuilt(name) }
        return path
    }

    /// One of the system's, or nil where it is not installed.
    static func installed(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
        return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Beside the tests themselves, unless the environment says otherwise.
    static let folder: String = {
        if let named = ProcessInfo.processInfo.environment["SAMOVAR_BIN_DIR"] { return named }
        let ownPID = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? ownPID
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().path
    }()
}
