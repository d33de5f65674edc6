import Testing

@testable import SamovarStoreRedis

@Suite("Slot map")
struct SlotMapTests {
    private func node(_ host: String?, _ port: Int64) -> RESPValue {
        .array([host.map { .bulk(Array($0.utf8)) } ?? .null, .integer(port), .bulk(Array("id".utf8)), .array([])])
    }

    private func range(_ first: Int64, _ last: Int64, _ port: Int64, at host: String? = "h") -> RESPValue {
        .array([.integer(first), .integer(last), node(host, port), node("replica", 1)])
    }

    private func slot(_ number: Int) throws -> HashSlot { try #require(HashSlot(number)) }

    private func refusal(_ reply: RESPValue) -> SlotMapRefusal? {
        do throws(SlotMapRefusal) {
            _ = try SlotMap(reading: reply, askedAt: "asked")
            return nil
        } catch {
            return error
        }
    }

    @Test("each slot is found at its primary, ranges in any order; replicas do not count")
    func whole() throws {
        let map = try SlotMap(
            reading: .array([range(5_000, 9_999, 2), range(0, 4_999, 1), range(10_000, 16_383, 1)]), askedAt: "asked")
        #expect(map.primaries == [.tcp(host: "h", port: 1), .tcp(host: "h", port: 2)])
        for (number, port) in [(0, 1), (4_999, 1), (5_000, 2), (9_999, 2), (10_000, 1), (16_383, 1)] {
            #expect(try map[slot(number)] == .tcp(host: "h", port: port))
        }
    }

    @Test("a node that does not know its own address has that of the one that was asked", arguments: ["", nil])
    func ownAddress(host: String?) throws {
        let map = try SlotMap(reading: .array([range(0, 16_383, 7_000, at: host)]), askedAt: "asked")
        #expect(map.primaries == [.tcp(host: "asked", port: 7_000)])
    }

    @Test("a slot that has moved is found where it is, the others stay")
    func moved() throws {
        var map = try SlotMap(reading: .array([range(0, 16_383, 1)]), askedAt: "asked")
        map.move(try slot(7), to: .tcp(host: "h", port: 2))
        #expect(try map[slot(7)] == .tcp(host: "h", port: 2))
        #expect(try map[slot(6)] == .tcp(host: "h", port: 1) && map[slot(8)] == .tcp(host: "h", port: 1))
        #expect(map.primaries.count == 2)
    }

    @Test("more primaries than are used are neither read nor taken in")
    func tooMany() throws {
        func ranges(_ count: Int64) -> RESPValue {
            .array((0..<count).map { range($0, $0 == count - 1 ? 16_383 : $0, $0 + 1) })
        }
        let max = Int64(SlotMap.primaryMax)
        var map = try SlotMap(reading: ranges(max), askedAt: "asked")
        map.move(try slot(0), to: .tcp(host: "h", port: 60_000))
        #expect(map.primaries.count == SlotMap.primaryMax)
        #expect(try map[slot(0)] == .tcp(host: "h", port: 1))
        #expect(refusal(ranges(max + 1)) == .tooManyPrimaries)
        #expect(refusal(.array(Array(repeating: .null, count: SlotMap.rangeMax + 1))) == .tooManyRanges)
    }

    @Test("maps with holes, overlaps or nonsense are refused, and it is said why")
    func refused() {
        #expect(refusal(.array([])) == .partial(missingCount: 16_384))
        #expect(refusal(.array([range(0, 9, 1), range(11, 16_383, 2)])) == .partial(missingCount: 1))
        #expect(refusal(.array([range(0, 16_382, 1)])) == .partial(missingCount: 1))
        #expect(refusal(.array([range(0, 9, 1), range(9, 16_383, 2)])) == .overlapping)
        #expect(refusal(.array([range(0, 16_383, 1), range(0, 16_383, 1)])) == .overlapping)
        #expect(refusal(.array([range(9, 0, 1)])) == .malformed)
        #expect(refusal(.array([range(-1, 16_383, 1)])) == .malformed)
        #expect(refusal(.array([range(0, 16_384, 1)])) == .malformed)
        #expect(refusal(.array([range(0, .max, 1)])) == .malformed)
        #expect(refusal(.array([.array([.integer(0), .integer(16_383)])])) == .malformed)
        #expect(refusal(.array([.array([.integer(0), .integer(16_383), .array([])])])) == .malformed)
        #expect(refusal(.array([.integer(1)])) == .malformed)
        #expect(refusal(.status("OK")) == .malformed)
        #expect(refusal(.null) == .malformed)
        for (host, port) in [("?", 1), ("h", 0), ("h", 65_536), ("a b", 1), (String(repeating: "h", count: 254), 1)] {
            #expect(refusal(.array([range(0, 16_383, Int64(port), at: host)])) == .nowhere)
        }
        #expect(refusal(.error(ServerError(code: "ERR")))?.description.contains("no node of a cluster") == true)
        #expect(refusal(.error(ServerError(code: "NOPERM")))?.description.contains("NOPERM") == true)
    }
}
