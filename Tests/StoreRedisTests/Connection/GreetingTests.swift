import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Greeting")
struct GreetingTests {
    private let plain = Greeting(user: nil, password: nil, database: 0)
    private let full = Greeting(user: "alice", password: Secret("hunter2"), database: 3)
    private let ok = RESPValue.status("OK")

    private func error(_ line: String) -> RESPValue { .error(ServerError(line: line.utf8)) }

    @Test("user and password come first, then the database, a name and a ping")
    func commands() {
        func words(_ greeting: Greeting) -> [String] {
            greeting.commands.map { command in
                command.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
            }
        }
        let passwordOnly = Greeting(user: nil, password: Secret("hunter2"), database: 0)
        #expect(words(full) == ["AUTH alice hunter2", "SELECT 3", "CLIENT SETNAME samovar", "PING"])
        #expect(words(plain) == ["CLIENT SETNAME samovar", "PING"])
        #expect(words(passwordOnly).first == "AUTH hunter2")
    }

    @Test("a server that answers everything is live")
    func live() {
        #expect(full.verdict([ok, ok, ok, .status("PONG")]) == .live)
    }

    @Test("a user that may neither set a name nor ping is live all the same")
    func narrowUser() {
        let refusal = error("NOPERM this user has no permissions to run the command")
        #expect(full.verdict([ok, ok, refusal, refusal]) == .live)
    }

    @Test("a refused password is said to be that, without the password")
    func wrongPassword() throws {
        let refusal = error("WRONGPASS invalid username-password pair hunter2")
        let verdict = full.verdict([refusal, error("NOAUTH"), error("NOAUTH"), error("NOAUTH")])
        guard case .refused(let loss) = verdict else {
            Issue.record("it went through")
            return
        }
        #expect(loss.description == "the server refused user and password (WRONGPASS: wrong user or password)")
        #expect(loss.needsOperator)
    }

    @Test("a server that wants a password we do not have needs an operator")
    func noPassword() {
        guard case .refused(let loss) = plain.verdict([error("NOAUTH x"), error("NOAUTH x")]) else {
            Issue.record("it went through")
            return
        }
        #expect(loss.needsOperator)
        #expect(loss.description.contains("NOAUTH"))
    }

    @Test("a refused database is named")
    func wrongDatabase() {
        let verdict = full.verdict([ok, error("ERR DB index is out of range"), ok, .status("PONG")])
        #expect(verdict == .refused(.refused("the server refused database 3 (ERR)")))
    }

    @Test("a server that is still loading is tried again, and nobody is called")
    func loading() {
        guard case .refused(let loss) = plain.verdict([ok, error("LOADING Redis is loading")]) else {
            Issue.record("it went through")
            return
        }
        #expect(!loss.needsOperator)
    }

    @Test("where only a primary will do, who says that he is a replica is tried again later")
    func role() {
        let greeting = Greeting(user: nil, password: nil, database: 0, mustBePrimary: true)
        func role(_ name: String) -> RESPValue { .array([.bulk(Array(name.utf8)), .integer(1), .array([])]) }
        #expect(greeting.commands.map { $0.count } == [3, 1, 1])
        #expect(greeting.verdict([ok, role("master"), .status("PONG")]) == .live)
        for other in ["slave", "sentinel", ""] {
            guard case .refused(let loss) = greeting.verdict([ok, role(other), .status("PONG")]) else {
                Issue.record("it went through")
                return
            }
            #expect(!loss.needsOperator && loss.description == "the server is no primary")
        }
        #expect(greeting.verdict([ok, ok, .status("PONG")]) == .refused(.protocolError(.unreadable)))
        guard case .refused(let loss) = greeting.verdict([ok, error("NOPERM x"), .status("PONG")]) else {
            Issue.record("it went through")
            return
        }
        #expect(loss.needsOperator)
    }

    @Test("what answers something else is no Redis")
    func nonsense() {
        #expect(plain.verdict([ok, .integer(1)]) == .refused(.protocolError(.unreadable)))
        #expect(plain.verdict([ok]) == .refused(.protocolError(.unasked)))
    }
}
