import Glibc

@testable import SamovarStoreRedis

/// A cluster: some primaries that divide the slots evenly, and a replica of each, if wanted.
///
/// No node is introduced to another: each is started with the file in which it would have kept what it knows.
final class ClusterFleet: Sendable {
    struct Node: Sendable {
        let identifier: String
        let server: RedisServer
        var url: String { server.url }
        var port: Int { server.port }
    }

    let primaries: [Node]
    let replicas: [Node]
    /// Belongs to the cluster, and keeps no slot.
    let spare: Node?

    /// A port that belongs to the only node too, for what its arguments want one for.
    let otherPort: Int

    init(
        primaryCount: Int = 3, hasReplicas: Bool = false, hasSpare: Bool = false, ports: [Int]? = nil,
        arguments: (_ otherPort: Int) -> [String] = { _ in [] }
    ) async throws {
        let count = primaryCount * (hasReplicas ? 2 : 1) + (hasSpare ? 1 : 0)
        let nodes: [Node]
        (nodes, otherPort) = try onFreePorts {
            let otherPort = try freePort()
            let plan = try (0..<count).map { (Self.identifier($0), try ports?[$0] ?? freePort(), $0) }
            let nodes = try plan.map { identifier, port, _ in
                let file = Self.file(plan, primaryCount, hasReplicas, own: identifier)
                return Node(identifier: identifier, server: try Self.server(port, file, arguments(otherPort)))
            }
            return (nodes, otherPort)
        }
        primaries = Array(nodes[..<primaryCount])
        replicas = hasReplicas ? Array(nodes[primaryCount..<2 * primaryCount]) : []
        spare = hasSpare ? nodes.last : nil
        for node in nodes {
            let admin = try await Admin(node.url)
            try await until {
                let info = await admin.text("CLUSTER", "INFO")
                guard info.contains("cluster_state:ok") else { return false }
                guard replicas.contains(where: { $0.identifier == node.identifier }) else { return true }
                // Only one that has its data may take over.
                return await admin.text("INFO", "replication").contains("master_link_status:up")
            }
            // Everyone must know that everyone is reachable, or nobody is voted for.
            try await until { !(await admin.text("CLUSTER", "NODES").contains("disconnected")) }
            await admin.shutdown()
        }
    }

    private static func server(_ port: Int, _ file: String, _ arguments: [String]) throws -> RedisServer {
        let directory = try TemporaryDirectory()
        try write(file, to: "\(directory.path)/nodes.conf")
        return try RedisServer(
            port: port, directory: directory,
            arguments: [
                "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
                "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
            ] + arguments)
    }

    private static func identifier(_ number: Int) -> String {
        String(repeating: "\(String(number, radix: 16))", count: 40)
    }

    /// What a node remembers of the others.
    private static func file(
        _ plan: [(identifier: String, port: Int, index: Int)], _ primaryCount: Int, _ hasReplicas: Bool, own: String
    ) -> String {
        let lines = plan.map { identifier, port, index in
            let isReplica = hasReplicas && (primaryCount..<2 * primaryCount).contains(index)
            let myself = identifier == own ? "myself," : ""
            let role = isReplica ? "slave \(plan[index - primaryCount].identifier)" : "master -"
            let epoch = isReplica ? index - primaryCount + 1 : index + 1
            let slots = index < primaryCount ? " \(slots(index, of: primaryCount))" : ""
            return "\(identifier) 127.0.0.1:\(port)@\(port + 10_000) \(myself)\(role) 0 0 \(epoch) connected\(slots)\n"
        }
        return lines.joined() + "vars currentEpoch \(plan.count) lastVoteEpoch 0\n"
    }

    private static func slots(_ index: Int, of count: Int) -> String {
        "\(HashSlot.count * index / count)-\(HashSlot.count * (index + 1) / count - 1)"
    }

    /// Who keeps this slot, as long as nobody has moved it.
    func owner(of slot: HashSlot) -> Node {
        let count = primaries.count
        let index = (0..<count).first { Int(slot.number) < HashSlot.count * ($0 + 1) / count }
        return primaries[index ?? 0]
    }

    var url: String { "redis+cluster://127.0.0.1:\(primaries[0].port)" }

    var nodes: [Node] { primaries + replicas + (spare.map { [$0] } ?? []) }

    func stop() { for node in nodes { node.server.kill() } }
}
