import NIOHTTP1
import Testing

@testable import provider

@Suite("where a call goes")
struct RouteTests {
    private func status(_ method: HTTPMethod, _ uri: String) -> Int? {
        do throws(Refusal) {
            _ = try Route.find(method, uri)
            return nil
        } catch {
            return error.status
        }
    }

    @Test("paths go with and without /v1, and a query is ignored")
    func paths() throws {
        #expect(try Route.find(.POST, "/v1/chat/completions") == .chat)
        #expect(try Route.find(.POST, "/chat/completions?api-version=1") == .chat)
        #expect(try Route.find(.POST, "/completions") == .completions)
        #expect(try Route.find(.POST, "/v1/embeddings") == .embeddings)
        #expect(try Route.find(.GET, "/models") == .models)
        #expect(try Route.find(.GET, "/control") == .readSettings)
        #expect(try Route.find(.POST, "/counts/reset") == .resetCounts)
    }

    @Test("a known path with another method is 405, any other path 404")
    func unknown() {
        #expect(status(.GET, "/v1/chat/completions") == 405)
        #expect(status(.POST, "/v1/chat/completions/") == 404)
        #expect(status(.POST, "/V1/chat/completions") == 404)
    }

    @Test("an address is a host and a port, in brackets when it holds colons")
    func address() {
        #expect(ListenAddress(argument: "127.0.0.1:0")?.port == 0)
        #expect(ListenAddress(argument: "[::1]:80")?.host == "::1")
        #expect(ListenAddress(argument: "localhost:8080")?.host == "localhost")
        for wrong in ["", "8080", ":8080", "::1:80", "x:99999", "x:"] {
            #expect(ListenAddress(argument: wrong) == nil)
        }
    }
}
