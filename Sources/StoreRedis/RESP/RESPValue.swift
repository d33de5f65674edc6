/// One reply of the server, in version 2 of its protocol.
///
/// A plain enum: an array's elements are on the heap anyway, and the others fit beside the tag. Errors are rare.
enum RESPValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case status(String)
    case bulk([UInt8])
    case array([RESPValue])
    indirect case error(ServerError)
}

/// An error reply. Only its code is kept, and where it sends us: other text may quote what
/// we sent.
struct ServerError: Error, Hashable, Sendable {
    /// The first word, as in `-OOM command not allowed…`: capital letters only.
    let code: String
    /// Where a node of a cluster sends the command instead.
    let redirection: Redirection?

    init(code: String, redirection: Redirection? = nil) {
        self.code = code
        self.redirection = redirection
    }

    /// Reads the code off an error line. What has none, or one no server sends, is `UNKNOWN`.
    init(line: some Collection<UInt8>) {
        // What a script may not do for want of rights has no code of its own before Redis 7.2.
        if line.starts(with: Self.forbiddenInScript) {
            code = "NOPERM"
            redirection = nil
            return
        }
        let word = line.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        code = (1...24).contains(word.count) ? String(decoding: word, as: UTF8.self) : "UNKNOWN"
        redirection = code == "MOVED" || code == "ASK" ? Redirection(line: line) : nil
    }

    private static let forbiddenInScript = Array("ERR The user executing the script can't".utf8)

    /// Whether the whole server is of no use for now, reads and writes alike.
    ///
    /// Everything else that refuses a write (`OOM`, `READONLY`, `MISCONF`, `NOPERM`, …) says nothing about reads.
    var meansDown: Bool {
        switch code {
        case "LOADING", "BUSY", "MASTERDOWN", "NOAUTH", "WRONGPASS", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN": true
        default: false
        }
    }

    /// Whether it says nothing about the server, and will be over soon: a slot on its way to another node.
    var isPassing: Bool { code == "TRYAGAIN" }

    /// Whether it takes no writes for now.
    var refusesWrites: Bool {
        switch code {
        case "OOM", "READONLY", "MISCONF", "NOREPLICAS": true
        default: false
        }
    }

    /// What an operator is told, in words of ours.
    var explanation: String {
        switch code {
        case "LOADING": "LOADING: it is reading its data from disk"
        case "BUSY": "BUSY: a script runs and does not end"
        case "MASTERDOWN": "MASTERDOWN: a replica without its master"
        case "NOAUTH": "NOAUTH: it wants a password"
        case "WRONGPASS": "WRONGPASS: wrong user or password"
        case "NOPERM": "NOPERM: the user may not do this"
        case "MOVED", "ASK":
            "\(code): nodes of a Redis Cluster send us on and on, or redis+cluster:// is not in the url"
        case "TRYAGAIN": "TRYAGAIN: a slot of the Redis Cluster is on its way to another node"
        case "CLUSTERDOWN": "CLUSTERDOWN: the Redis Cluster lacks a primary"
        case "CROSSSLOT": "CROSSSLOT: it keeps one request's keys on different nodes"
        case "NOSCRIPT": "NOSCRIPT: it forgets a script as soon as it has it"
        case "OOM": "OOM: it is full"
        case "READONLY": "READONLY: a read-only replica"
        case "MISCONF": "MISCONF: it cannot save to disk"
        case "DENIED": "DENIED: its protected mode lets only loopback in"
        default: code
        }
    }
}
