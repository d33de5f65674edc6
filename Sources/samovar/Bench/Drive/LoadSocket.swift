// Unsafe pointers, because the kernel wants addresses of sockets as memory.

import Glibc

/// An address as the kernel takes it.
struct SocketPlace: Hashable, Sendable {
    let family: Int32
    private let bytes: [UInt8]

    private init<Address>(_ family: Int32, _ address: Address) {
        self.family = family
        bytes = withUnsafeBytes(of: address) { Array($0) }
    }

    /// A name may have several addresses. Asks the system's resolver, and so may wait for it.
    static func all(of address: ListenAddress) throws(CommandFailure) -> [SocketPlace] {
        switch address {
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return [SocketPlace(AF_UNIX, address)]
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var found: UnsafeMutablePointer<addrinfo>?
            let status = getaddrinfo(host, "\(port)", &hints, &found)
            guard status == 0 else { throw CommandFailure("\(host): \(String(cString: gai_strerror(status)))") }
            defer { freeaddrinfo(found) }
            var places: [SocketPlace] = []
            var next = found
            while let one = next {
                places.append(SocketPlace(one.pointee))
                next = one.pointee.ai_next
            }
            return places
        }
    }

    private init(_ info: addrinfo) {
        family = info.ai_family
        bytes = Array(UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen)))
    }

    /// Begins to connect without waiting.
    ///
    /// - Returns: the socket, and whether it is connected already; or the error's number.
    func dial() -> Result<(descriptor: Int32, isConnected: Bool), SystemError> {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { return .failure(SystemError(number: errno)) }
        if family != AF_UNIX {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        let status = bytes.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { connect(descriptor, $0.baseAddress, socklen_t(bytes.count)) }
        }
        if status == 0 { return .success((descriptor, true)) }
        if errno == EINPROGRESS { return .success((descriptor, false)) }
        let error = SystemError(number: errno)
        _ = close(descriptor)
        return .failure(error)
    }

    /// What became of a dial that had to wait; nil: it is connected.
    static func failure(of descriptor: Int32) -> SystemError? {
        var number: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size)
        return number == 0 ? nil : SystemError(number: number)
    }

    /// Whether somebody listens there: connects, waits for so long, and leaves.
    func isListenedAt(within milliseconds: Int32) -> Bool {
        guard case .success(let (descriptor, isConnected)) = dial() else { return false }
        defer { _ = close(descriptor) }
        if isConnected { return true }
        var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&wanted, 1, milliseconds) == 1 && Self.failure(of: descriptor) == nil
    }
}

/// What the kernel says went wrong.
struct SystemError: Error, Hashable, CustomStringConvertible {
    let number: Int32
    var description: String { String(cString: strerror(number)) }
}
