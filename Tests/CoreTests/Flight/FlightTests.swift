import SamovarCore
import Testing

/// A flight of people: their names are what is resumed.
private typealias Names = Flight<String>

private func chunk(_ text: String) -> Chunk { Chunk(bytes: Array(text.utf8)) }

extension Flight<String>.JoinAction {
    fileprivate var follower: Flight<String>.Follower? {
        if case .joined(let follower) = self { follower } else { nil }
    }
}

extension Flight<String> {
    /// Joins a flight that has room.
    fileprivate mutating func joined() -> Follower {
        guard case .joined(let follower) = join() else { preconditionFailure("the flight has room") }
        return follower
    }
}

extension Flight<String>.ReadAction {
    /// What is seen, as a word.
    fileprivate var word: String {
        switch self {
        case .deliver(let chunk): String(decoding: chunk.bytes, as: UTF8.self)
        case .wait: "(wait)"
        case .end(.complete): "(complete)"
        case .end(.failed(let failure)): "(\(failure))"
        }
    }
}

extension Flight<String>.AppendAction {
    fileprivate var woken: [String]? {
        if case .wake(let names) = self { names } else { nil }
    }
}

@Suite("A flight")
struct FlightTests {
    @Test("lets a late follower replay the log, then read live")
    func lateFollower() {
        var flight = Names(limits: .init())
        _ = flight.join()
        let nobodySleeps = flight.append(chunk("Hel")).woken
        let bob = flight.joined()

        let replayed = flight.read(at: 0, by: bob, at: .zero).word
        let caughtUp = flight.read(at: 1, by: bob, at: .zero).word
        let lay = flight.fallsAsleep("bob", as: bob, at: 1)
        let woken = flight.append(chunk("lo")).woken
        let live = flight.read(at: 1, by: bob, at: .zero).word

        #expect(nobodySleeps == [])
        #expect(replayed == "Hel")
        #expect(caughtUp == "(wait)")
        #expect(lay == nil)
        #expect(woken == ["bob"])
        #expect(live == "lo")
    }

    @Test("wakes its followers in the order in which they joined")
    func order() {
        var flight = Names(limits: .init())
        let names = (0..<50).map { "n\($0)" }
        for name in names {
            let follower = flight.joined()
            _ = flight.fallsAsleep(name, as: follower, at: 0)
        }
        let woken = flight.land(.complete)
        #expect(woken == names)
    }

    @Test("wakes who waits for the end at the end, and not for what comes before")
    func waitsForTheEnd() {
        var flight = Names(limits: .init())
        let (alice, bob) = (flight.joined(), flight.joined())
        _ = flight.fallsAsleep("alice", as: alice, at: Names.end)
        _ = flight.fallsAsleep("bob", as: bob, at: 0)
        let first = flight.append(chunk("x")).woken
        let second = flight.append(chunk("y")).woken
        let last = flight.land(.complete)
        #expect(first == ["bob"])
        #expect(second == [])
        #expect(last == ["alice"])
        #expect(flight.log.map(\.bytes) == [Array("x".utf8), Array("y".utf8)])
    }

    @Test("hands the sleeper back when something came between its look and its sleep")
    func looksAgain() {
        var flight = Names(limits: .init())
        let alice = flight.joined()
        let looked = flight.read(at: 0, by: alice, at: .zero).word
        _ = flight.append(chunk("x"))
        let awake = flight.fallsAsleep("alice", as: alice, at: 0)
        #expect(looked == "(wait)")
        #expect(awake == "alice")
    }

    @Test("tells everyone the same ending, and only the first one counts")
    func oneEnding() {
        var flight = Names(limits: .init())
        let alice = flight.joined()
        _ = flight.append(chunk("x"))
        _ = flight.land(.failed(.cut))
        let again = flight.land(.complete)
        let late = flight.append(chunk("y")).woken
        let bob = flight.joined()
        let ends = [flight.read(at: 1, by: alice, at: .zero).word, flight.read(at: 1, by: bob, at: .zero).word]
        #expect(again.isEmpty)
        #expect(late == [])
        #expect(ends == ["(cut)", "(cut)"])
    }

    @Test("is cancelled by the last to leave, not by the first who came")
    func lastLeaves() {
        var flight = Names(limits: .init())
        let alice = flight.joined()
        let bob = flight.joined()
        let first = flight.leave(alice)
        let twice = flight.leave(alice)
        _ = flight.fallsAsleep("bob", as: bob, at: 0)
        let last = flight.leave(bob)
        let comesLater = flight.join()
        #expect(first.cancelUpstream == false)
        #expect(twice.cancelUpstream == false)
        #expect(last.cancelUpstream)
        #expect(last.resume == "bob")
        #expect(comesLater == .gone)
    }

    @Test("goes on without anybody where it is to be finished")
    func finishes() {
        var flight = Names(limits: .init(), finishWhenLeft: true)
        let alice = flight.joined()
        let left = flight.leave(alice)
        _ = flight.append(chunk("x"))
        let bob = flight.joined()
        let seen = flight.read(at: 0, by: bob, at: .zero).word
        #expect(left.cancelUpstream == false)
        #expect(seen == "x")
    }

    @Test("refuses one follower too many")
    func full() {
        var flight = Names(limits: .init(followersMax: 2))
        _ = flight.join()
        let bob = flight.joined()
        let carol = flight.join()
        _ = flight.leave(bob)
        let carolAgain = flight.join().follower
        #expect(carol == .full)
        #expect(carolAgain != nil)
    }

    @Test("stops an answer that outgrows its limit")
    func tooLarge() {
        var flight = Names(limits: .init(answerSizeMax: 5))
        let fits = flight.append(chunk("12345")).woken
        let over = flight.append(chunk("6")).woken
        #expect(fits == [])
        #expect(over == nil)
    }

    @Test("cuts a follower that stays too far behind, and nobody else")
    func lagging() {
        var flight = Names(limits: .init(followerLagMax: 10, followerLagGrace: .seconds(1)))
        let slow = flight.joined()
        let quick = flight.joined()
        for index in 0..<6 {
            _ = flight.append(chunk("1234"))
            _ = flight.read(at: index, by: quick, at: .zero)
        }
        let first = flight.read(at: 0, by: slow, at: .zero).word
        let later = flight.read(at: 1, by: slow, at: Instant(nanoseconds: 1_000_000_000)).word
        let ofQuick = flight.read(at: 6, by: quick, at: Instant(nanoseconds: 1_000_000_000)).word
        #expect(first == "1234")
        #expect(later == "(lagged)")
        #expect(ofQuick == "(wait)")
    }

    @Test("cuts nobody for a burst that is read in time")
    func burst() {
        var flight = Names(limits: .init(followerLagMax: 10, followerLagGrace: .seconds(1)))
        let alice = flight.joined()
        for _ in 0..<10 { _ = flight.append(chunk("1234")) }
        for index in 0..<10 { _ = flight.read(at: index, by: alice, at: .zero) }
        _ = flight.append(chunk("1234"))
        let later = flight.read(at: 10, by: alice, at: Instant(nanoseconds: 2_000_000_000)).word
        #expect(later == "1234")
    }

    @Test("does not hold what was there before a follower came against it")
    func lateIsNotSlow() {
        var flight = Names(limits: .init(followerLagMax: 10))
        _ = flight.join()
        for _ in 0..<100 { _ = flight.append(chunk("1234")) }
        let late = flight.joined()
        let first = flight.read(at: 0, by: late, at: .zero).word
        _ = flight.append(chunk("1234"))
        let second = flight.read(at: 1, by: late, at: .zero).word
        #expect(first == "1234")
        #expect(second == "1234")
    }

    @Test("keeps to the shortest ttl that anybody asked for")
    func shortestTTL() {
        var flight = Names(limits: .init())
        _ = flight.join(ttl: .seconds(60))
        _ = flight.join()
        _ = flight.join(ttl: .seconds(5))
        let ttl = flight.ttlMax
        #expect(ttl == .seconds(5))
    }
}

@Suite("The board of flights")
struct FlightBoardTests {
    private func key(_ byte: UInt8) -> RequestKey { RequestKey(bytes: Array(repeating: byte, count: 32)) }
    private func tenant(_ name: String) -> Tenant { .listener(name) }

    @Test("lists a flight until it is unlisted, and counts it until it is removed")
    func listing() throws {
        var board = FlightBoard<String>(flightsMax: 10)
        let ticketTaken = board.takeOff("one", key: key(1), tenant: tenant("a"))
        let ticket = try #require(ticketTaken)
        #expect(board.flight(for: key(1)) == "one")
        board.unlist(ticket)
        #expect(board.flight(for: key(1)) == nil)
        #expect(board.flightCount == 1)
        board.remove(ticket)
        #expect(board.flightCount == 0)
    }

    @Test("lists the newer of two flights, and the older one's end does not unlist it")
    func replaced() throws {
        var board = FlightBoard<String>(flightsMax: 10)
        let oldTaken = board.takeOff("old", key: key(1), tenant: tenant("a"))
        let old = try #require(oldTaken)
        _ = board.takeOff("new", key: key(1), tenant: tenant("a"))
        board.remove(old)
        #expect(board.flight(for: key(1)) == "new")
    }

    @Test("counts a flight that is on no board")
    func unlisted() {
        var board = FlightBoard<String>(flightsMax: 1)
        let alone = board.takeOff("alone", key: nil, tenant: tenant("a"))
        let another = board.takeOff("another", key: nil, tenant: tenant("a"))
        #expect(alone != nil)
        #expect(another == nil)
    }

    @Test("leaves room for a newcomer however one tenant floods it")
    func fair() {
        var board = FlightBoard<Int>(flightsMax: 90)
        var flooding = 0
        while board.takeOff(flooding, key: nil, tenant: tenant("flood")) != nil { flooding += 1 }
        #expect(flooding == 80)
        let newcomer = board.takeOff(0, key: nil, tenant: tenant("newcomer"))
        let oneMore = board.takeOff(0, key: nil, tenant: tenant("flood"))
        #expect(newcomer != nil)
        #expect(oneMore == nil)
    }
}
