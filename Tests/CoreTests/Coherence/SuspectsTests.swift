import SamovarCore
import Testing

@Suite("Entries to be looked at")
struct SuspectsTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func after(_ milliseconds: Int) -> Instant { start.advanced(by: .milliseconds(milliseconds)) }

    @Test("the first wakes who looks, for a little later; each is looked at once, oldest first, so many at a time")
    func batches() {
        var settings = Suspects.Settings()
        settings.batchMax = 2
        var suspects = Suspects(settings)
        let added = [5, 6, 5, 7].map { suspects.add($0, at: start) }
        let early = suspects.take(at: after(19))
        let (first, next) = (suspects.take(at: after(20)), suspects.next)
        let second = suspects.take(at: after(40))
        #expect(added == [.wake, .none, .none, .none])
        #expect(early == [] && first == [5, 6] && next == after(40) && second == [7])
        #expect(suspects.next == .never && suspects.count == 0)
    }

    @Test("what is heard of again after it was taken is looked at again")
    func again() {
        var suspects = Suspects()
        _ = suspects.add(5, at: start)
        _ = suspects.take(at: after(20))
        #expect(suspects.add(5, at: after(21)) == .wake)
        #expect(suspects.take(at: after(41)) == [5])
    }

    @Test("more than may wait are told to be too many, and nothing waits then")
    func overflow() {
        var settings = Suspects.Settings()
        settings.countMax = 3
        var suspects = Suspects(settings)
        let added = (0..<4).map { suspects.add(UInt64($0), at: start) }
        #expect(added.last == .overflow)
        #expect(suspects.count == 0 && suspects.next == .never)
        #expect(suspects.add(9, at: start) == .wake)
    }
}
