import Testing

@testable import SamovarStoreRedis

@Suite("Connection news")
struct ConnectionNewsTests {
    @Test("an absent server is told once, and its coming once")
    func absent() {
        var news = ConnectionNews()
        let told = [
            news.failed(.unreachable("connection refused")), news.failed(.unreachable("no address found")),
            news.connected(), news.connected(),
        ]
        #expect(told == [.notYet("connection refused"), nil, .connected, nil])
    }

    @Test("connections that come and go later are the breaker's business")
    func laterLosses() {
        var news = ConnectionNews()
        _ = news.connected()
        let told = [news.failed(.overdue), news.failed(.closedByServer), news.connected()]
        #expect(told == [nil, nil, nil])
    }

    @Test("what needs an operator is told at any time, once until it changes")
    func refused() {
        var news = ConnectionNews()
        _ = news.connected()
        let told = [
            news.failed(.refused("WRONGPASS")), news.failed(.refused("WRONGPASS")), news.failed(.refused("NOAUTH")),
            news.connected(), news.failed(.refused("NOAUTH")),
        ]
        #expect(told == [.refused("WRONGPASS"), nil, .refused("NOAUTH"), .connected, .refused("NOAUTH")])
    }
}
