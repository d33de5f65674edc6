import SamovarCore
import SamovarEngine
import Testing

@testable import SamovarStoreRedis

@Suite("Rounds of reading")
struct ReadRoundsTests {
    private func following(_ number: UInt64) -> Following { Following(number: number) }
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func reads(_ turn: ReadRounds.Turn) -> [ReadRounds.Read]? {
        if case .read(let reads) = turn { reads } else { nil }
    }

    @Test("nothing followed is silence")
    func silence() {
        var rounds = ReadRounds()
        #expect(rounds.turn(at: at(0)) == .idle)
        rounds.follow(following(1), at: at(0))
        rounds.unfollow(following(1))
        rounds.unfollow(following(1))
        #expect(rounds.turn(at: at(100)) == .idle)
    }

    @Test("who follows is read at once, and the leading pod told until it knows")
    func first() {
        var rounds = ReadRounds()
        rounds.follow(following(1), at: at(0))
        let expected = ReadRounds.Read(following: following(1), registers: true, looks: false)
        #expect(rounds.turn(at: at(0)) == .read([expected]))
        // One round at a time.
        #expect(rounds.turn(at: at(0)) == .idle)
        _ = rounds.failed(following(1), at: at(0), countsAfter: .zero)
        rounds.ended(at: at(1))
        #expect(reads(rounds.turn(at: at(100)))?.first?.registers == true)
        rounds.registered(following(1))
        rounds.ended(at: at(101))
        #expect(reads(rounds.turn(at: at(200)))?.first?.registers == false)
    }

    @Test("who comes while a round is under way waits for no pause")
    func whileReading() {
        var rounds = ReadRounds()
        rounds.follow(following(1), at: at(0))
        _ = rounds.turn(at: at(0))
        rounds.registered(following(1))
        rounds.follow(following(2), at: at(1))
        rounds.ended(at: at(2))
        #expect(reads(rounds.turn(at: at(2)))?.contains { $0.following == following(2) } == true)
    }

    /// The pause after a round that brought so many entries.
    private func pause(_ rounds: inout ReadRounds, _ count: Int, _ now: inout Int64) -> Int64 {
        guard case .read = rounds.turn(at: at(now)) else { return -1 }
        rounds.registered(following(1))
        rounds.read(following(1), entryCount: count)
        rounds.ended(at: at(now))
        guard case .wait(let next) = rounds.turn(at: at(now)) else { return -1 }
        defer { now = next.nanoseconds / 1_000_000 + 1 }
        return at(now).duration(to: next).milliseconds
    }

    @Test("rounds come as fast as entries do, never more often than each 5 ms nor less than each 50")
    func pace() {
        var rounds = ReadRounds()
        var now: Int64 = 0
        rounds.follow(following(1), at: at(0))
        #expect((0..<6).map { _ in pause(&rounds, 0, &now) } == [30, 45, 50, 50, 50, 50])
        #expect((0..<6).map { _ in pause(&rounds, 3, &now) } == [25, 12, 6, 5, 5, 5])
        #expect((0..<3).map { _ in pause(&rounds, 1, &now) } == [5, 5, 5])
        #expect(pause(&rounds, 0, &now) == 7)
    }

    @Test("a round reads so many streams and no more, and each has its turn")
    func bounded() {
        var rounds = ReadRounds()
        let count = UInt64(ReadRounds.streamMax) * 2 + 1
        for number in 1...count { rounds.follow(following(number), at: at(0)) }
        var seen: Set<Following> = []
        for round in 0..<3 {
            let some = reads(rounds.turn(at: at(Int64(round) * 100))) ?? []
            #expect(some.count == ReadRounds.streamMax)
            for read in some {
                seen.insert(read.following)
                rounds.registered(read.following)
            }
            rounds.ended(at: at(Int64(round) * 100))
        }
        #expect(seen.count == Int(count))
    }

    @Test("the lease is looked at twice a second, not in each round")
    func looks() {
        var rounds = ReadRounds()
        rounds.follow(following(1), at: at(0))
        rounds.registered(following(1))
        var looks: [Int64] = []
        for now in stride(from: Int64(0), to: 2_100, by: 50) {
            if reads(rounds.turn(at: at(now)))?.first?.looks == true { looks.append(now) }
            rounds.ended(at: at(now))
        }
        #expect(looks == [500, 1_000, 1_500, 2_000])
    }

    @Test("three failures in a row are enough; a reply between starts the count again")
    func failures() {
        var rounds = ReadRounds()
        func fail() -> Bool { rounds.failed(following(1), at: at(0), countsAfter: .zero) }
        rounds.follow(following(1), at: at(0))
        #expect([fail(), fail()] == [false, false])
        rounds.read(following(1), entryCount: 0)
        let after = [fail(), fail(), fail()]
        #expect(after == [false, false, true])
        rounds.unfollow(following(1))
        let gone = fail()
        #expect(!gone)
    }

    @Test("without a connection it is time that counts, not tries")
    func withoutConnection() {
        var rounds = ReadRounds()
        rounds.follow(following(1), at: at(0))
        let gaveUp = stride(from: Int64(0), to: 200, by: 10).first { now in
            rounds.failed(following(1), at: at(now), countsAfter: .milliseconds(50))
        }
        #expect(gaveUp == 100)
    }
}
