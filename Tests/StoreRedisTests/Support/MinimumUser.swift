@testable import SamovarStoreRedis

/// A user who may do what README.md says is the least, and nothing else.
enum MinimumUser {
    static let name = "sidecar"
    static let password = "p@ss/word"
    /// As it stands in a URL.
    static let userInfo = "sidecar:p%40ss%2Fword@"

    /// On servers that keep data, whatever their topology.
    static let store = ["+get", "+pttl", "+set", "+unlink", "+ping", "+client|setname"] + sharing + budget
    /// To share calls between processes.
    private static let sharing = [
        "+evalsha", "+eval", "+xadd", "+xread", "+zadd", "+zcount", "+zremrangebyscore", "+pexpire", "+incr", "+del",
        "+time", "+publish", "+subscribe",
    ]
    /// To share upstreams' limits between processes.
    private static let budget = ["+evalsha", "+eval", "+hset", "+hgetall", "+hdel", "+del", "+pexpire", "+time"]
    /// Besides these, where sentinels name the primary.
    static let behindSentinel = ["+role"]
    /// Besides these, on the nodes of a cluster.
    static let inCluster = ["+cluster|slots", "+asking"]
    /// On sentinels.
    static let sentinel = ["+sentinel|get-master-addr-by-name", "+subscribe", "+ping", "+client|setname"]

    /// Everything else is taken away first.
    static func rules(_ commands: [String]) -> [String] {
        [name, "reset", "on", ">\(password)", "~samovar:*", "resetchannels", "&samovar:*", "-@all"] + commands
    }

    static var sentinelRules: [String] {
        [name, "on", ">\(password)", "resetchannels", "&+switch-master", "-@all"] + sentinel
    }

    static func install(_ commands: [String], at url: String) async throws {
        let admin = try await Admin(url)
        let reply = await admin.bytes((["ACL", "SETUSER"] + rules(commands)).map { Array($0.utf8) })
        await admin.shutdown()
        guard reply == .status("OK") else { throw ProcessError.failed("ACL SETUSER") }
    }
}
