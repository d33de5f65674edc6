import SamovarCore
import Testing

@testable import SamovarStoreRedis

/// Keys of a ring, told apart by a digit.
private func key(_ digit: Character) -> String { String(repeating: digit, count: 64) }

private func ring(_ lines: String...) throws -> KeyRing {
    try KeyRing(parsing: (["names \(key("f"))"] + lines).joined(separator: "\n"))
}

@Suite("Key ring")
struct KeyRingTests {
    @Test("the first numbered key seals, all of them open, and comments and blanks are nothing")
    func read() throws {
        let ring = try KeyRing(parsing: "# ours\n\n 7\t\(key("a")) \r\nnames \(key("f"))\n3 \(key("b"))\n")
        #expect(ring.sealing == 7)
        #expect(ring.keys.keys.sorted() == [3, 7])
        #expect(ring.names == [UInt8](repeating: 0xFF, count: 32))
    }

    @Test(
        "what is no ring is refused with its line, and nothing of it is quoted",
        arguments: [
            ("", "has no line that begins with 'names'"),
            ("names \(key("f"))", "has no line that begins with a number"),
            ("names \(key("f"))\n1 abc", "line 2: the key is not 64 hex digits"),
            ("names \(key("f"))\n1 \(key("g"))", "line 2: the key is not 64 hex digits"),
            ("names \(key("f"))\none \(key("a"))", "line 2: a line begins with 'names' or with a number"),
            ("names \(key("f"))\n-1 \(key("a"))", "line 2: a line begins with 'names' or with a number"),
            ("names \(key("f"))\n1 \(key("a"))\n1 \(key("b"))", "line 3: 1 is there twice"),
            ("names \(key("f"))\nnames \(key("a"))", "line 2: names is there twice"),
            ("names \(key("f"))\n1 \(key("a")) x", "line 2: expected a name and a key"),
            ("names \(key("a"))\n1 \(key("a"))", "holds the same key twice"),
        ])
    func refused(text: String, complaint: String) {
        let error = #expect(throws: KeyRingError.self) { try KeyRing(parsing: text) }
        #expect(error?.description.hasPrefix(complaint) == true, "\(String(describing: error))")
        #expect(error?.description.contains("aaaa") == false)
    }

    @Test("it never shows what it holds")
    func hidden() throws {
        var dumped = ""
        let ring = try ring("1 \(key("a"))")
        dump(ring, to: &dumped)
        #expect(!"\(ring) \(dumped)".contains("170") && !"\(ring) \(dumped)".contains("aaaa"))
    }
}

@Suite("Sealed values")
struct VaultTests {
    private let createdAt = WallTime(milliseconds: 1_700_000_000_123)

    private func opened(_ bytes: [UInt8], _ seal: Seal, as number: Int = 1) -> Answer? {
        try? StoredValue.decode(bytes, for: Sample.key(number), seal: seal)
    }

    @Test("an answer comes back as it went, and nothing of it or its key can be read on the way")
    func roundTrip() throws {
        let seal = Seal(Vault(try ring("1 \(key("a"))")))
        let answer = Sample.answer(createdAt: createdAt, size: 4_000)
        let bytes = StoredValue.encode(answer, for: Sample.key(1), seal: seal)
        #expect(same(opened(bytes, seal), answer))
        #expect(bytes.count <= StoredValue.size(of: answer))
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(!text.contains("deepseek") && !text.contains("data:"))
        #expect(bytes.firstRange(of: Sample.key(1).bytes.prefix(8)) == nil)
        // What the scripts read stands where they read it.
        #expect(Array(bytes[..<5]) == StoredValue.head(seal))
        #expect(bytes.bigEndian(at: 56, as: Int64.self) == answer.staleTTL.nanoseconds)
    }

    @Test("every flipped bit, every cut, another key's name and another ring make a miss")
    func damaged() throws {
        let seal = Seal(Vault(try ring("1 \(key("a"))")))
        let bytes = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1), seal: seal)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1 << UInt8(index % 8)
            #expect(opened(damaged, seal) == nil, "byte \(index)")
            #expect(opened(Array(bytes[..<index]), seal) == nil)
        }
        #expect(opened(bytes, seal, as: 2) == nil)
        #expect(opened(bytes, Seal(Vault(try ring("1 \(key("b"))")))) == nil)
        #expect(opened(bytes, Seal(Vault(try ring("2 \(key("a"))")))) == nil)
        #expect(opened(bytes, Seal()) == nil)
    }

    @Test("what stands in the clear is not believed where there is a ring")
    func injected() throws {
        let bytes = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1))
        #expect(opened(bytes, Seal()) != nil)
        #expect(opened(bytes, Seal(Vault(try ring("1 \(key("a"))")))) == nil)
    }

    @Test("after a change of keys the old values are read as long as the old key is in the ring")
    func rotation() throws {
        let vault = Vault(try ring("1 \(key("a"))"))
        let seal = Seal(vault)
        let old = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1), seal: seal)
        vault.change(to: try ring("2 \(key("b"))", "1 \(key("a"))"))
        let new = StoredValue.encode(Sample.answer(createdAt: createdAt), for: Sample.key(1), seal: seal)
        #expect(opened(old, seal) != nil && opened(new, seal) != nil)
        #expect(new.bigEndian(at: 8, as: UInt32.self) == 2)
        // Another pod that has only the old one yet reads what is old, and misses what is new.
        let behind = Seal(Vault(try ring("1 \(key("a"))")))
        #expect(opened(old, behind) != nil && opened(new, behind) == nil)
        vault.change(to: try ring("2 \(key("b"))"))
        #expect(opened(old, seal) == nil && opened(new, seal) != nil)
    }

    @Test("no nonce is used twice under a key: not in one process, nor in another, nor after 2^32")
    func nonces() throws {
        let ring = try ring("1 \(key("a"))")
        var seen: Set<[UInt8]> = []
        let vaults = [Vault(ring), Vault(ring), Vault(ring, count: Vault.countMax - 3)]
        for vault in vaults {
            for _ in 0..<2_000 {
                let sealed = vault.seal([1, 2, 3], after: [], as: .answer(Sample.key(1)))
                // The key by its number and the process's own, and the nonce.
                #expect(seen.insert(Array(sealed[..<Vault.envelopeSize])).inserted)
            }
        }
        #expect(seen.count == 6_000)
        // The third has drawn anew.
        let boots = Set(seen.map { Array($0[4..<36]) })
        #expect(boots.count == 4)
    }

    @Test("an entry of a stream is bound to its attempt, its place and its key")
    func entries() throws {
        let seal = Seal(Vault(try ring("1 \(key("a"))")))
        let attempt = AttemptID(high: 1, low: 2)
        let entry = PublishedEntry.chunks(
            first: 4, PublishedForm(.stream, usageAsked: true), [Chunk(bytes: Array("data: secret\n\n".utf8))])
        let bytes = StreamEntry.encode(entry, index: 3, of: attempt, for: Sample.key(1), seal: seal)
        func read(_ bytes: [UInt8], _ attempt: AttemptID, _ number: Int, _ seal: Seal) -> PublishedEntry? {
            StreamEntry.decode(bytes, of: attempt, for: Sample.key(number), seal: seal)?.entry
        }
        #expect(read(bytes, attempt, 1, seal) == entry)
        #expect(read(bytes, AttemptID(high: 1, low: 3), 1, seal) == nil)
        #expect(read(bytes, attempt, 2, seal) == nil)
        #expect(read(bytes, attempt, 1, Seal()) == nil)
        #expect(!String(decoding: bytes, as: UTF8.self).contains("secret"))
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            #expect(read(damaged, attempt, 1, seal) == nil, "byte \(index)")
        }
        let clear = StreamEntry.encode(entry, index: 3, of: attempt, for: Sample.key(1), seal: Seal())
        #expect(read(clear, attempt, 1, seal) == nil && read(clear, attempt, 1, Seal()) == entry)
    }

    @Test("names in Redis are another ring's others")
    func names() throws {
        let one = KeyName(keyPrefix: "p:", names: try ring("1 \(key("a"))").names).bytes(Sample.key(1))
        #expect(one != KeyName(keyPrefix: "p:").bytes(Sample.key(1)))
        #expect(one == KeyName(keyPrefix: "p:", names: try ring("2 \(key("b"))").names).bytes(Sample.key(1)))
    }
}
