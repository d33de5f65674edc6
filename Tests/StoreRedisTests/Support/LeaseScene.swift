import NIOPosix
import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

/// Two pods and somebody who looks into Redis, on a server of their own.
final class LeaseScene: Sendable {
    let server: RedisServer
    let clock = ShiftedClock()
    let log = LogLines()
    /// Two pods.
    let alice: RedisStore
    let bob: RedisStore
    let admin: Admin
    let key = Sample.key(1)

    /// - Parameter user: whom the pods log in as, with password `x`; they are not connected yet then.
    init(user: String? = nil, _ arguments: String...) async throws {
        let server = try RedisServer(arguments: arguments)
        self.server = server
        admin = try await Admin(server.url)
        if let user { await admin.command("ACL", "SETUSER", user, "on", ">x", "~*", "&*", "+@all") }
        let credentials = user.map { "\($0):x@" } ?? ""
        let settings = RedisSettings.patient("redis://\(credentials)127.0.0.1:\(server.port)")
        alice = try RedisStore.forTest(settings, clock: clock, log: log)
        bob = try RedisStore.forTest(settings, clock: clock, log: log)
        _ = await (alice.connected(), bob.connected())
    }

    /// Ends everything. Not left to `deinit`, as it waits.
    func end() async {
        await alice.shutdown()
        await bob.shutdown()
        await admin.shutdown()
        server.kill()
    }

    var names: RequestNames { KeyName(keyPrefix: "samovar:").names(key) }

    func answer(_ number: Int = 1, ttl: Duration = .seconds(3_600), size: Int = 0) -> Answer {
        Sample.answer(number, ttl: ttl, createdAt: clock.wallNow, size: size)
    }

    /// What Redis says to a command whose second word is a name.
    @discardableResult
    func ask(_ verb: String, _ name: [UInt8], _ words: String...) async -> RESPValue? {
        await admin.bytes([Array(verb.utf8), name] + words.map { Array($0.utf8) })
    }

    /// How often Redis was asked to do this since it started.
    func callCount(_ command: String) async -> Int {
        guard case .bulk(let bytes) = await admin.command("INFO", "commandstats") else { return -1 }
        let head = "cmdstat_\(command):calls="
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard let line = lines.first(where: { $0.hasPrefix(head) }) else { return 0 }
        return Int(line.dropFirst(head.count).prefix { $0.isNumber }) ?? -1
    }

    func exists(_ name: [UInt8]) async -> Bool { await ask("EXISTS", name) == .integer(1) }
}

/// Attempts for tests, told apart by a number.
func attempt(_ number: UInt64) -> AttemptID { AttemptID(high: 0xA77E_0000_0000_0000, low: number) }

extension LeaseReply {
    /// Whose lease it speaks of.
    var sight: LeaseSight? {
        switch self {
        case .leads(let sight, _), .follows(let sight, _): sight
        case .hit, .poisoned, .unavailable: nil
        }
    }

    /// What is stored.
    var stored: StoredAnswer? {
        switch self {
        case .hit(let stored): stored
        case .leads(_, let stored), .follows(_, let stored): stored
        case .poisoned, .unavailable: nil
        }
    }

    /// In a word, for expectations.
    var word: String {
        switch self {
        case .hit: "hit"
        case .leads: "leads"
        case .follows: "follows"
        case .poisoned: "poisoned"
        case .unavailable: "unavailable"
        }
    }
}
