import Glibc
import NIOCore
import SamovarCore

/// Somebody else answers on that Unix socket.
public struct AddressInUse: Error {
    public init() {}
}

/// What a process that was killed leaves behind.
enum StaleSocket {
    /// Removes the socket at this path if nobody answers on it.
    ///
    /// Whatever else lies there is not ours to remove: binding will say so.
    static func remove(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        defer { _ = Glibc.close(descriptor) }
        let address = try SocketAddress(unixDomainSocketPath: path)
        let result = address.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) }
        guard result != 0 else { throw AddressInUse() }
        if errno == ECONNREFUSED { unlink(path) }
    }
}
