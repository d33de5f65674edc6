import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Stored value")
struct StoredValueTests {
    private let createdAt = WallTime(milliseconds: 1_700_000_000_123)

    private func damage(_ bytes: [UInt8], _ key: RequestKey) -> ValueDamage? {
        do throws(ValueDamage) {
            _ = try StoredValue.decode(bytes, for: key)
            return nil
        } catch {
            return error
        }
    }

    @Test("an answer comes back as it went")
    func roundTrip() throws {
        for answer in [
            Sample.answer(createdAt: createdAt), Sample.answer(createdAt: createdAt, usage: nil),
            Sample.answer(
                createdAt: createdAt, usage: Usage(promptTokenCount: 2, completionTokenCount: 0, isEstimated: true)),
            Sample.answer(createdAt: WallTime(milliseconds: -1), size: 70_000),
            Answer(
                recording: Recording(form: .body, usageAsked: false, chunks: []), model: "", createdAt: createdAt,
                generationTime: .zero, usage: nil, ttl: .nanoseconds(1), staleTTL: .zero),
        ] {
            let bytes = StoredValue.encode(answer, for: Sample.key(1))
            let back = try StoredValue.decode(bytes, for: Sample.key(1))
            #expect(same(back, answer))
            #expect(bytes.count <= StoredValue.size(of: answer))
        }
    }

    @Test("the layout is what it is said to be")
    func layout() {
        let answer = Answer(
            recording: Recording(form: .stream, usageAsked: true, chunkCount: 2, rawByteCount: 3, coded: [9, 8]),
            model: "m", createdAt: WallTime(milliseconds: 258), generationTime: .nanoseconds(4),
            usage: Usage(promptTokenCount: 5, completionTokenCount: 6), ttl: .nanoseconds(7), staleTTL: .nanoseconds(8),
            generations: Generations([.init(scope: 256, number: 11), .init(scope: 12, number: 13)]))
        let bytes = StoredValue.encode(answer, for: Sample.key(1))
        func long(_ value: UInt8, _ above: UInt8 = 0) -> [UInt8] { [0, 0, 0, 0, 0, 0, above, value] }
        let header = Array("SMVR".utf8) + [4, 1, 3, 2] + Sample.key(1).bytes + long(2, 1) + long(7) + long(8) + long(4)
        let numbers =
            long(2) + long(3) + long(5) + long(6) + [0, 0, 0, 1, 0, 0, 0, 2]
            + long(0, 1) + long(11) + long(12) + long(13) + long(0) + long(0)
        #expect(Array(bytes.dropLast(StoredValue.checksumSize)) == header + numbers + [UInt8(ascii: "m"), 9, 8])
    }

    @Test("every single flipped bit is a miss")
    func flippedBits() {
        let bytes = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1))
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                #expect(damage(damaged, Sample.key(1)) != nil, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("every cut and every added byte is a miss")
    func cuts() {
        let bytes = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1))
        for count in 0..<bytes.count { #expect(damage(Array(bytes[..<count]), Sample.key(1)) == .size) }
        #expect(damage(bytes + [0], Sample.key(1)) == .size)
    }

    @Test("another key's value is told apart from a damaged one")
    func swapped() {
        let bytes = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(2))
        #expect(damage(bytes, Sample.key(1)) == .key)
        #expect(damage(bytes, Sample.key(2)) == nil)
    }

    @Test("another version's value and a stranger's are left alone")
    func versions() {
        var newer = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1))
        newer[4] = StoredValue.version + 1
        let strange = [UInt8](repeating: 7, count: 500)
        #expect(damage(newer, Sample.key(1)) == .version)
        #expect(damage(strange, Sample.key(1)) == .magic)
        #expect(!ValueDamage.version.isRemoved && !ValueDamage.magic.isRemoved)
        #expect(ValueDamage.checksum.isRemoved && ValueDamage.key.isRemoved)
    }

    @Test("what nobody can have recorded is refused even with a good checksum")
    func malformed() {
        func answer(rawByteCount: Int = 1, ttl: Duration = .seconds(1)) -> [UInt8] {
            StoredValue.encode(
                Answer(
                    recording: Recording(
                        form: .body, usageAsked: false, chunkCount: 1, rawByteCount: rawByteCount, coded: [1]),
                    model: "m", createdAt: createdAt, generationTime: .zero, usage: nil, ttl: ttl, staleTTL: .zero),
                for: Sample.key(1))
        }
        #expect(damage(answer(), Sample.key(1)) == nil)
        #expect(damage(answer(rawByteCount: 1 << 40), Sample.key(1)) == .malformed)
        #expect(damage(answer(rawByteCount: -1), Sample.key(1)) == .malformed)
        #expect(damage(answer(ttl: .seconds(-1)), Sample.key(1)) == .malformed)
    }

    @Test("random bytes never trap")
    func randomBytes() {
        for count in 0..<300 {
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            if count > 5 { bytes.replaceSubrange(..<5, with: StoredValue.magic + [StoredValue.version]) }
            #expect(damage(bytes, Sample.key(1)) != nil)
        }
    }

    @Test("a name in Redis is the prefix and an HMAC, different for every key")
    func names() {
        let name = KeyName(keyPrefix: "samovar:").bytes(RequestKey(bytes: Array(repeating: 0, count: 32)))
        let other = KeyName(keyPrefix: "samovar:").bytes(Sample.key(1))
        let text = String(decoding: name, as: UTF8.self)
        // printf '%064d' 0 | xxd -r -p | openssl dgst -sha256 -hmac 'samovar redis key v1'
        #expect(text == "samovar:c:{e137fc0154d109f9af67bdd5b9e17b4286e00c412d1d9e4a026940fc7da4b736}")
        #expect(other != name && other.count == name.count)
    }

    @Test("life goes by the clock on the wall, and never grows")
    func life() {
        let answer = Sample.answer(ttl: .seconds(10), staleTTL: .seconds(5), createdAt: createdAt)
        func remaining(_ milliseconds: Int64) -> Duration {
            answer.remaining(at: WallTime(milliseconds: createdAt.milliseconds + milliseconds))
        }
        #expect(remaining(0) == .seconds(15))
        #expect(remaining(4_000) == .seconds(11))
        #expect(remaining(-60_000) == .seconds(15))
        #expect(remaining(20_000) == .seconds(-5))
    }
}
