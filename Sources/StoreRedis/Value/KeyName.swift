import Crypto
import SamovarCore

/// What belongs to a request is called in Redis: `<key_prefix><kind>:{<64 hex digits>}`.
///
/// The digits are an HMAC of the key under the key ring's key for names. Without a key ring it is one under a label that
/// everybody knows: it tells apart, and who holds a dump can confirm a prompt that he guesses. The braces make Redis Cluster keep all that belongs to one request on one node.
struct KeyName: Sendable {
    private let prefix: [UInt8]
    /// With the key taken in: half of the work of a short HMAC.
    private let begun: HMAC<SHA256>
    private static let label = Array("samovar redis key v1".utf8)

    /// - Parameter names: the key ring's; nil: a label that everybody knows.
    init(keyPrefix: String, names: [UInt8]? = nil) {
        prefix = Array(keyPrefix.utf8)
        begun = HMAC(key: SymmetricKey(data: names.map { Self.label + $0 } ?? Self.label))
    }

    /// What the answer is called.
    func bytes(_ key: RequestKey) -> [UInt8] { names(key).answer }

    /// What all that belongs to this request is called.
    func names(_ key: RequestKey) -> RequestNames { RequestNames(prefix: prefix, tag: tag(key.bytes)) }

    /// Where the scope's generation is kept.
    func generation(_ scope: Scope) -> [UInt8] { kind("g") + tag(scope.bytes) }

    /// The first 64 bits of what stands in the answer's name: what tells it from others here.
    func word(_ key: RequestKey) -> UInt64 { word(key.bytes) }
    func word(_ scope: Scope) -> UInt64 { word(scope.bytes) }

    private func word(_ bytes: [UInt8]) -> UInt64 {
        var code = begun
        code.update(data: bytes)
        return code.finalize().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func tag(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var tag: [UInt8] = []
        tag.reserveCapacity(66)
        tag.append(UInt8(ascii: "{"))
        var code = begun
        code.update(data: bytes)
        for byte in code.finalize() {
            tag.append(digits[Int(byte >> 4)])
            tag.append(digits[Int(byte & 15)])
        }
        tag.append(UInt8(ascii: "}"))
        return tag
    }

    /// What the names of all answers, or of all generations, begin with.
    var answers: [UInt8] { kind("c") }
    var generations: [UInt8] { kind("g") }

    private func kind(_ kind: Unicode.Scalar) -> [UInt8] { prefix + [UInt8(ascii: kind), UInt8(ascii: ":")] }

    /// Where all pods are told that an answer was made unusable.
    var purges: [UInt8] { prefix + Array("purged".utf8) }
    /// Where all pods are told that a scope's generation was raised.
    var raises: [UInt8] { prefix + Array("raised".utf8) }

    /// What pods tell each other about upstreams: one name for all of them.
    var budget: [UInt8] { prefix + Array("budget".utf8) }

    /// Where a pod is told that somebody follows an attempt of its.
    func pokes(of pod: PodID) -> [UInt8] {
        prefix + Array("poke:".utf8) + pod.hexadecimal
    }
}

/// The names of all that belongs to one request, under one hash tag.
struct RequestNames: Sendable {
    fileprivate let prefix: [UInt8]
    /// 64 hex digits in braces.
    let tag: [UInt8]

    /// The sealed answer.
    var answer: [UInt8] { name("c") }
    /// Who leads.
    var lease: [UInt8] { name("l") }
    /// That the answer was invalidated, and whose lease was taken with it.
    var mark: [UInt8] { name("x") }
    /// How often the lease was taken from a pod that seemed dead.
    var takeovers: [UInt8] { name("p") }

    /// What an attempt publishes.
    func stream(_ attempt: AttemptID) -> [UInt8] { name("s", attempt) }
    /// The pods that follow an attempt.
    func followers(_ attempt: AttemptID) -> [UInt8] { name("w", attempt) }

    private func name(_ kind: Unicode.Scalar) -> [UInt8] {
        var name: [UInt8] = []
        name.reserveCapacity(prefix.count + 2 + tag.count + 1 + 2 * AttemptID.byteCount)
        name += prefix
        name += [UInt8(ascii: kind), UInt8(ascii: ":")]
        name += tag
        return name
    }

    private func name(_ kind: Unicode.Scalar, _ attempt: AttemptID) -> [UInt8] {
        var name = name(kind)
        name.append(UInt8(ascii: ":"))
        name += attempt.hexadecimal.utf8
        return name
    }
}

extension PodID {
    /// All 16 hex digits.
    var hexadecimal: [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return stride(from: 60, through: 0, by: -4).map { digits[Int(number >> UInt64($0) & 15)] }
    }
}
