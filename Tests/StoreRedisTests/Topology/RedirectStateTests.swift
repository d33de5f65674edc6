import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Redirect state")
struct RedirectStateTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func error(_ line: String) -> ServerError { ServerError(line: Array(line.utf8)) }

    private let moved = ServerError(line: Array("MOVED 1 h:1".utf8))
    private let ask = ServerError(line: Array("ASK 1 h:2".utf8))
    private let tryAgain = ServerError(code: "TRYAGAIN")

    private func follow(_ error: ServerError) throws -> RedirectState.Action {
        .follow(try #require(error.redirection))
    }

    @Test("two nodes that send a command back and forth are followed once")
    func loop() throws {
        var state = RedirectState(deadline: at(50))
        let actions = [state.refused(moved, at: at(1)), state.refused(moved, at: at(2))]
        #expect(actions == [try follow(moved), .stop])
    }

    @Test("a moved slot may be on its way again, and not be together there: each is followed once")
    func chain() throws {
        var state = RedirectState(deadline: at(50))
        let actions = [moved, ask, tryAgain, tryAgain, ask, moved].map { state.refused($0, at: at(1)) }
        #expect(actions == [try follow(moved), try follow(ask), .tryAgain(at: at(6)), .stop, .stop, .stop])
    }

    @Test("nothing is sent again once the time is over, or would be")
    func deadline() {
        var late = RedirectState(deadline: at(50))
        #expect(late.refused(moved, at: at(50)) == .stop)
        #expect(late.refused(tryAgain, at: at(45)) == .stop)
        #expect(late.refused(tryAgain, at: at(44)) == .tryAgain(at: at(49)))
    }

    @Test("errors that do not say that nothing was done are not followed")
    func others() {
        var state = RedirectState(deadline: at(50))
        for line in ["CLUSTERDOWN The cluster is down", "ERR x", "READONLY x", "MOVED nonsense"] {
            #expect(!error(line).isRedirect)
            #expect(state.refused(error(line), at: at(1)) == .stop)
        }
    }
}
