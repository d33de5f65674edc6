// Unsafe pointers, because the kernel wants addresses of sockets as memory.

import Glibc

/// Where a server listens: a port of the loopback address, or a Unix socket.
enum Address {
    case tcp(port: UInt16)
    case unix(path: String)

    init?(_ text: String) {
        if text.hasPrefix("unix:") {
            self = .unix(path: String(text.dropFirst(5)))
        } else if let port = text.split(separator: ":").last.flatMap({ UInt16($0) }) {
            self = .tcp(port: port)
        } else {
            return nil
        }
    }

    /// A connection, which waits in send and receive.
    func connect() throws(Fault) -> Int32 {
        let descriptor: Int32
        let status: Int32
        switch self {
        case .tcp(let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
            status = Self.connect(descriptor, &address)
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
                throw Fault("\(path) is too long for a Unix socket")
            }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            status = Self.connect(descriptor, &address)
        }
        guard status == 0 else { throw Fault("cannot connect to \(self): \(String(cString: strerror(errno)))") }
        return descriptor
    }

    private static func connect<Kind>(_ descriptor: Int32, _ address: inout Kind) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Kind>.size))
            }
        }
    }
}

/// Blocking, for what is said before the load begins.
enum Greeting {
    static func send(_ bytes: [UInt8], to descriptor: Int32) throws(Fault) {
        guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw Fault("the server does not take what the client says first")
        }
    }

    static func receive(_ count: Int, from descriptor: Int32) throws(Fault) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, count, Int32(MSG_WAITALL)) }
        guard got == count else { throw Fault("the server closed before it said anything") }
        return bytes
    }
}
