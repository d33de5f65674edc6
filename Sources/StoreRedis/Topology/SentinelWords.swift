/// What is said to and by a sentinel about one primary, which it knows by the name of a service.
struct SentinelWords: Hashable, Sendable {
    let service: String

    /// Where a sentinel tells of a failover unasked.
    static let channel = Array("+switch-master".utf8)

    /// The question for the primary's address.
    var question: [[UInt8]] {
        ["SENTINEL", "get-master-addr-by-name", service].map { Array($0.utf8) }
    }

    /// Reads the answer: `[host, port]`. Nil where the sentinel knows no such service, or says nothing that makes sense.
    func address(_ reply: RESPValue, askedAt host: String) -> Endpoint.Address? {
        guard case .array(let parts) = reply, parts.count == 2, case .bulk(let named) = parts[0],
            case .bulk(let port) = parts[1], let port = Int(String(decoding: port, as: UTF8.self)), !named.isEmpty
        else { return nil }
        return Endpoint.Address(named: String(decoding: named, as: UTF8.self), port: port, by: host)
    }

    /// Whether what was told on the channel is about this service: `<service> <old host> <port> <new host> <port>`.
    func concern(_ message: RESPValue) -> Bool {
        guard case .bulk(let bytes) = message else { return false }
        let words = bytes.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        return words.count == 5 && words[0].elementsEqual(service.utf8)
    }
}
