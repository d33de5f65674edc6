import Foundation

/// Where a listener listens: an address and port of this machine, or a Unix socket. Port 0 is any free one.
enum ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// `host` is `localhost` or a numeric address, without brackets.
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// As it is written in the configuration.
    var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// A numeric IP address.
struct IPAddress {
    private let bytes: [UInt8]

    /// Four decimal numbers, nothing shorter.
    init?(v4 text: String) {
        var bytes = [UInt8](repeating: 0, count: 4)
        guard inet_pton(AF_INET, text, &bytes) == 1 else { return nil }
        self.bytes = bytes
    }

    init?(v6 text: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
        self.bytes = bytes
    }

    /// 127.0.0.0/8 (RFC 1122, 3.2.1.3) or ::1 (RFC 4291, 2.5.3).
    var isLoopback: Bool {
        bytes.count == 4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
    }
}

extension ListenAddress {
    /// Whether other machines can come this way.
    var isReachable: Bool {
        guard case .tcp(let host, _) = self, host != "localhost" else { return false }
        return (IPAddress(v4: host) ?? IPAddress(v6: host))?.isLoopback == false
    }
}

extension ValueFormat where Value == ListenAddress {
    /// An address that only this machine can reach.
    static var listenAddress: Self { address(mayBeReachable: false) }

    /// Any address of this machine. What must protect one that others can reach is for the checks of keys together.
    static var dataAddress: Self { address(mayBeReachable: true) }

    private static func address(mayBeReachable: Bool) -> Self {
        Self(allowed: "127.0.0.1:port, [::1]:port, localhost:port or unix:/path") { text in
            text.hasPrefix("unix:")
                ? unixSocket(String(text.dropFirst(5))) : tcp(text, mayBeReachable: mayBeReachable)
        } spell: {
            $0.description
        }
    }

    private static func tcp(_ text: String, mayBeReachable: Bool) -> Outcome {
        guard let parts = HostAndPort(text[...]), let port = parts.port else { return .malformed }
        let host = String(parts.host)
        if !parts.isBracketed, host.lowercased() == "localhost" { return .value(.tcp(host: "localhost", port: port)) }
        guard let address = parts.isBracketed ? IPAddress(v6: host) : IPAddress(v4: host) else { return .malformed }
        guard address.isLoopback || mayBeReachable else {
            return .refused(
                "'\(host)' can be reached from other machines, and nothing would protect it; "
                    + "listen on 127.0.0.1, [::1], localhost or unix:/path")
        }
        return .value(.tcp(host: host, port: port))
    }

    /// The size of `sun_path` without the zero at its end.
    private static var socketPathSizeMax: Int { 107 }

    private static func unixSocket(_ path: String) -> Outcome {
        guard path.hasPrefix("/"), path.count > 1, !path.hasSuffix("/"), !path.utf8.contains(0) else {
            return .malformed
        }
        guard path.utf8.count <= socketPathSizeMax else {
            return .refused("the path of a Unix socket has at most \(socketPathSizeMax) bytes")
        }
        return .value(.unix(path: path))
    }
}
