/// Which port of a running sidecar is put under load.
struct BenchTarget: Hashable, Sendable, CustomStringConvertible {
    enum Front: String, Sendable {
        case http
        case binary
    }

    let front: Front
    let address: ListenAddress

    /// The size of `sun_path` without the zero at its end.
    static let socketPathSizeMax = 107

    /// `host:port`, `[v6]:port` or `unix:/path`.
    init(_ front: Front, _ text: String) throws(CommandFailure) {
        self.front = front
        if text.hasPrefix("unix:") {
            let path = text.dropFirst(5)
            guard !path.isEmpty, path.utf8.count <= Self.socketPathSizeMax else {
                throw CommandFailure("\(text): the path of a Unix socket has 1 to \(Self.socketPathSizeMax) bytes")
            }
            address = .unix(path: String(path))
        } else {
            guard let parts = HostAndPort(text[...]), parts.isPlausible, let port = parts.port, port > 0 else {
                throw CommandFailure("\(text) is no address: host:port, [v6]:port or unix:/path")
            }
            address = .tcp(host: String(parts.host), port: port)
        }
    }

    /// Whether it is this machine by its spelling: a Unix socket, `localhost`, or a loopback address. No name is
    /// looked up for it.
    var isOnThisMachine: Bool {
        switch address {
        case .unix: return true
        case .tcp(let host, _):
            if host.lowercased() == "localhost" { return true }
            return (IPAddress(v4: host) ?? IPAddress(v6: host))?.isLoopback ?? false
        }
    }

    var description: String { "\(front.rawValue) \(address)" }

    /// HTTP's `Host`.
    var hostField: String {
        switch address {
        case .unix: "localhost"
        case .tcp: "\(address)"
        }
    }
}
