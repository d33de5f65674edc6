import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("What pods tell each other, written")
struct BudgetTextTests {
    private let word = FleetWord(
        number: 7,
        upstreams: [
            .init(name: "deepseek", demand: 12.5, claim: 0.25, openFor: .milliseconds(1_500), learnedRate: 48.75),
            .init(name: "a b%\n\u{e9}", demand: 0, claim: 1),
        ])

    @Test("is read as it was written, whatever an upstream is called")
    func journey() {
        #expect(BudgetText.parse(BudgetText.write(word)) == word)
        #expect(
            String(decoding: BudgetText.write(word), as: UTF8.self)
                == "7\ndeepseek 12500000 250000000 1500 48750000\na%20b%25%0a%c3%a9 0 1000000000 - -")
    }

    @Test("a claim is never written smaller than it is, and no number is more than can be read")
    func rounding() throws {
        let strange = FleetWord(
            number: .max / 2,
            upstreams: [
                .init(name: "one", demand: .infinity, claim: 1.0 / 3, openFor: .seconds(-5), learnedRate: .nan),
                .init(name: "two", demand: -1, claim: 5, openFor: .seconds(1_000_000)),
            ])
        let read = try #require(BudgetText.parse(BudgetText.write(strange)))
        #expect(read.number == strange.number)
        #expect(read.upstreams[0].claim >= 1.0 / 3 && read.upstreams[0].claim < 0.333_333_335)
        #expect(read.upstreams[0].demand == 1e12 && read.upstreams[0].openFor == .zero)
        #expect(read.upstreams[0].learnedRate == 0)
        #expect(read.upstreams[1].demand == 0 && read.upstreams[1].claim == 1)
        #expect(read.upstreams[1].openFor == .seconds(86_400))
    }

    @Test("is no longer than 4 KiB: the last upstreams are left out")
    func size() throws {
        let name = String(repeating: "n", count: 60)
        let many = FleetWord(
            number: 1, upstreams: (0..<200).map { .init(name: "\(name)\($0)", demand: 1, claim: 0.5) })
        let bytes = BudgetText.write(many)
        #expect(bytes.count <= BudgetText.sizeMax && bytes.count > BudgetText.sizeMax - 100)
        let read = try #require(BudgetText.parse(bytes))
        #expect(read.upstreams == Array(many.upstreams.prefix(read.upstreams.count)))
        #expect(BudgetText.parse(bytes + Array(repeating: 0x20, count: 4_096)) == nil)
    }

    @Test(
        "what is none of ours is not believed",
        arguments: [
            "", "x", "1\n", "1\none", "1\none 1 1 -", "1\none 1 1 - - -", "1\none 1 1000000001 - -", "1\none -1 1 - -",
            "1\none 1 1 x -", "1\none 1 1 - 1.5", "1\n%zz 1 1 - -", "1\n%c3 1 1 - -", "1\none  1 1 - -",
            "99999999999999999999\none 1 1 - -",
        ])
    func damage(text: String) {
        #expect(BudgetText.parse(Array(text.utf8)) == nil)
    }

    @Test("a reply that does not answer what was asked is none")
    func replies() {
        let pod = PodID(1)
        let good = RESPValue.array([
            .integer(1), .integer(1), .bulk(PodID(2).hexadecimal), .bulk(BudgetText.write(word)),
        ])
        #expect(RedisStore.reply(good, to: pod) == .heard([PodID(2): word]))
        let foreign = RESPValue.array([.integer(1), .integer(1), .bulk(PodID(2).hexadecimal), .bulk([1, 2])])
        #expect(RedisStore.reply(foreign, to: pod) == .heard([:]))
        #expect(RedisStore.reply(.array([.integer(0), .integer(0)]), to: pod) == .unavailable)
        for wrong in [
            RESPValue.null, .integer(1), .array([]), .array([.integer(1)]), .array([.integer(2), .integer(0)]),
            .array([.integer(1), .integer(2), .bulk([]), .bulk([])]), .array([.integer(1), .integer(1), .null, .null]),
        ] {
            #expect(RedisStore.reply(wrong, to: pod) == nil)
        }
    }
}
