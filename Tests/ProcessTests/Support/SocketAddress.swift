import Glibc

/// Where to connect: `127.0.0.1:port` or `unix:/path`.
struct SocketAddress: CustomStringConvertible, Sendable {
    private enum Place: Sendable {
        case port(UInt16)
        case path(String)
    }

    let description: String
    private let place: Place

    init(_ text: String) throws {
        description = text
        if text.hasPrefix("unix:") {
            place = .path(String(text.dropFirst(5)))
        } else {
            guard let port = text.split(separator: ":").last.flatMap({ UInt16($0) }) else {
                throw HarnessError.odd("no address: \(text)")
            }
            place = .port(port)
        }
    }

    init(port: UInt16) {
        description = "127.0.0.1:\(port)"
        place = .port(port)
    }

    /// A socket of the kind that this address needs, closed in every program we start.
    func makeSocket(blocking: Bool = true) throws -> Int32 {
        let domain = if case .path = place { AF_UNIX } else { AF_INET }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (blocking ? 0 : SOCK_NONBLOCK.rawValue))
        let descriptor = socket(domain, kind, 0)
        guard descriptor >= 0 else { throw HarnessError.system("socket", errno) }
        if domain == AF_INET {
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        return descriptor
    }

    /// Hands the address to `connect` or `bind`.
    func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        switch place {
        case .port(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            address.sin_port = port.bigEndian
            return Self.generic(&address, body)
        case .path(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { room in
                for (index, byte) in path.utf8.prefix(room.count - 1).enumerated() { room[index] = byte }
            }
            return Self.generic(&address, body)
        }
    }

    private static func generic<Address>(
        _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}

/// A listening TCP socket on a free port.
final class ListeningSocket: Sendable {
    let descriptor: Int32
    let address: SocketAddress

    init(backlog: Int32 = 128) throws {
        let any = SocketAddress(port: 0)
        let descriptor = try any.makeSocket()
        self.descriptor = descriptor
        guard any.with({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, backlog) == 0 else {
            throw HarnessError.system("listen", errno)
        }
        var bound = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &bound) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        address = SocketAddress(port: UInt16(bigEndian: bound.sin_port))
    }

    deinit { close(descriptor) }
}
