import Foundation

/// A network of the test's own with loopback addresses only, each as good as a host, on which hosts can die.
///
/// Made of a user and a network namespace, so that nobody need be root. What is sent to a dead host leaves by a device
/// that nobody listens behind: it is sent, sent again, and never acknowledged, and no error comes back.
final class PrivateNetwork: Sendable {
    static let skipped = "needs user and network namespaces, a virtual device, ip, unshare, nsenter and curl"
    static let isPossible = (try? PrivateNetwork().die("127.0.0.2")) != nil

    /// Holds the namespaces while nothing else runs in them.
    private let holder: ChildProcess
    /// What a program is started under to be in the network.
    let entrance: [String]
    private let ip: String
    private let curl: String

    private static let setUp = """
        ip link set lo up && ip link add nowhere type veth peer name beyond && ip link set nowhere arp off up &&
        ip link set beyond up && echo 1 > /proc/sys/net/ipv4/conf/nowhere/route_localnet &&
        echo ready && exec sleep 600
        """

    init() throws {
        guard let unshare = Program.installed("unshare"), let nsenter = Program.installed("nsenter"),
            let ip = Program.installed("ip"), let curl = Program.installed("curl")
        else { throw HarnessError.odd(Self.skipped) }
        (self.ip, self.curl) = (ip, curl)
        holder = try ChildProcess(unshare, ["--user", "--map-root-user", "--net", "sh", "-c", Self.setUp])
        entrance = [
            nsenter, "--target", "\(holder.processID)", "--user", "--net", "--preserve-credentials",
        ]
        _ = try holder.line(startingWith: "ready")
    }

    /// Nothing reaches this host from now on. It has to have nothing to say itself.
    func die(_ host: String) throws {
        let route = ["route", "add", host, "dev", "nowhere", "table", "local"]
        let process = try ChildProcess(ip, route, under: entrance)
        guard process.ends() == .exited(0) else { throw HarnessError.odd("ip: \(process.errors)") }
    }

    /// A caller on a host, still reading: its output is what it has read.
    func ask(_ chat: Chat, at address: SocketAddress, from host: String) throws -> ChildProcess {
        try run(
            ["--header", "content-type: application/json", "--data-binary", chat.body], host, address,
            "/v1/chat/completions")
    }

    func get(_ path: String, at address: SocketAddress) throws -> JSON {
        let process = try run([], "127.0.0.1", address, path)
        guard process.ends() == .exited(0) else { throw HarnessError.odd("curl: \(process.errors)") }
        return JSON(process.output)
    }

    private func run(
        _ request: [String], _ host: String, _ address: SocketAddress, _ path: String
    ) throws -> ChildProcess {
        // A probe of curl's own would be a sign of life from a dead host.
        let manner = ["--silent", "--show-error", "--no-buffer", "--no-keepalive", "--noproxy", "*"]
        return try ChildProcess(
            curl, ["--disable"] + manner + ["--interface", host] + request + ["http://\(address)\(path)"],
            under: entrance)
    }
}
