import Crypto

/// A Lua script that runs inside Redis, as one step there and one round trip for us.
///
/// It is called by its digest. A server that does not know it, because it was restarted or its scripts were flushed,
/// says so, and is sent the text once.
struct Script: Sendable {
    let text: [UInt8]
    /// 40 hex digits of SHA-1: how Redis names it. Computed once.
    let digest: [UInt8]

    init(_ text: String) {
        self.text = Array(text.utf8)
        digest = Array(Insecure.SHA1.hash(data: self.text).hexadecimal.utf8)
    }

    /// A call of it. All keys belong to one request, and so to one node of a cluster.
    func call(keys: [[UInt8]], _ arguments: [[UInt8]]) -> ScriptCall {
        ScriptCall(script: self, keys: keys, arguments: arguments)
    }
}

struct ScriptCall: Sendable {
    fileprivate let script: Script
    fileprivate let keys: [[UInt8]]
    fileprivate let arguments: [[UInt8]]

    var byDigest: [[UInt8]] { command(Self.evalsha, script.digest) }
    var byText: [[UInt8]] { command(Self.eval, script.text) }

    private static let evalsha = Array("EVALSHA".utf8)
    private static let eval = Array("EVAL".utf8)

    private func command(_ verb: [UInt8], _ body: [UInt8]) -> [[UInt8]] {
        [verb, body, Array(String(keys.count).utf8)] + keys + arguments
    }
}
