import Crypto
import SamovarCore

/// What a request's answer is called in Redis: `<key_prefix>c:{<64 hex digits>}`.
///
/// The digits are an HMAC of the key under a fixed label: they tell apart, and say nothing. (Who holds a dump can still
/// confirm a prompt that he guesses.) The braces make Redis Cluster keep all that belongs to one request on one node.
struct KeyName: Sendable {
    private let prefix: [UInt8]
    /// With the label taken in: half of the work of a short HMAC.
    private static let begun = HMAC<SHA256>(key: SymmetricKey(data: Array("samovar redis key v1".utf8)))

    init(keyPrefix: String) {
        prefix = Array("\(keyPrefix)c:{".utf8)
    }

    func bytes(_ key: RequestKey) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var name = prefix
        name.reserveCapacity(prefix.count + 65)
        var code = Self.begun
        code.update(data: key.bytes)
        for byte in code.finalize() {
            name.append(digits[Int(byte >> 4)])
            name.append(digits[Int(byte & 15)])
        }
        name.append(UInt8(ascii: "}"))
        return name
    }
}
