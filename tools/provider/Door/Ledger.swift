import NIOCore

/// What was asked of the provider, counted.
struct Ledger: Sendable {
    /// Every table is bounded; what comes after is counted in the totals only.
    static let promptMax = 100_000
    static let authorizationMax = 10_000
    static let headerNameMax = 1_000

    private(set) var callCount = 0
    private(set) var cancelledCount = 0
    private(set) var streamCount = 0
    private(set) var concurrent = 0
    private(set) var concurrentMax = 0
    private var byStatus: [Int: Int] = [:]
    private var byPrompt: [Digest: Int] = [:]
    private var byAuthorization: [String: Int] = [:]
    private var headerNames: Set<String> = []
    private var lastBody: ByteBuffer?

    mutating func called(by visit: Visit) {
        callCount += 1
        Self.count(visit.authorization, in: &byAuthorization, max: Self.authorizationMax)
        for digest in visit.digests { Self.count(digest, in: &byPrompt, max: Self.promptMax) }
        for name in visit.headerNames where !headerNames.contains(name) && headerNames.count < Self.headerNameMax {
            headerNames.insert(name)
        }
        if let body = visit.body { lastBody = body }
    }

    mutating func answered(status: Int) {
        byStatus[status, default: 0] += 1
    }

    mutating func began(isStream: Bool) {
        streamCount += isStream ? 1 : 0
        concurrent += 1
        concurrentMax = max(concurrentMax, concurrent)
    }

    mutating func ended(cancelled: Bool) {
        concurrent -= 1
        cancelledCount += cancelled ? 1 : 0
    }

    /// Back to nothing, but for the calls that are being answered.
    mutating func reset() {
        let concurrent = concurrent
        self = Ledger()
        self.concurrent = concurrent
        concurrentMax = concurrent
    }

    var json: JSON {
        let names = Set(headerNames.map { $0.lowercased() }).sorted()
        return .object([
            JSON.Member(name: "calls", value: .number(Double(callCount))),
            JSON.Member(name: "by_status", value: Self.table(byStatus) { String($0) }),
            JSON.Member(name: "by_prompt", value: Self.table(byPrompt) { $0.hex }),
            JSON.Member(name: "concurrent_max", value: .number(Double(concurrentMax))),
            JSON.Member(name: "concurrent", value: .number(Double(concurrent))),
            JSON.Member(name: "cancelled", value: .number(Double(cancelledCount))),
            JSON.Member(name: "streams", value: .number(Double(streamCount))),
            JSON.Member(name: "authorizations", value: Self.table(byAuthorization) { $0 }),
            JSON.Member(name: "headers_seen", value: .array(names.map(JSON.string))),
            JSON.Member(name: "last_body", value: lastBody.map { .string(String(buffer: $0)) } ?? .null),
        ])
    }

    private static func count<Key: Hashable>(_ key: Key, in table: inout [Key: Int], max: Int) {
        if table.count < max || table[key] != nil { table[key, default: 0] += 1 }
    }

    /// In the order of its names.
    private static func table<Key: Hashable>(_ counts: [Key: Int], _ name: (Key) -> String) -> JSON {
        let members = counts.map { JSON.Member(name: name($0.key), value: .number(Double($0.value))) }
        return .object(members.sorted { $0.name < $1.name })
    }
}

/// What the ledger is told about one call.
struct Visit: Sendable {
    /// The first 8 hex digits of the header's SHA-256, or "none".
    var authorization = "none"
    var digests: [Digest] = []
    var headerNames: [String] = []
    /// Of a call that has one to note.
    var body: ByteBuffer?
}
