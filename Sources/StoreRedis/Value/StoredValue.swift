import Crypto
import SamovarCore

/// An answer as bytes, bound to its key.
///
///     0               4       5       6       7       8
///     ┌───────────────┬───────┬───────┬───────┬───────┐
///     │     magic     │version│ form  │ flags │ marks │   form: 0 body, 1 stream
///     │    "SMVR"     │   4   │  u8   │  u8   │  u8   │   flags: 1 usage was asked for, 2 usage is known,
///     ├───────────────┴───────┴───────┴───────┴───────┤ 8          4 it is estimated
///     │            request key (32 bytes)             │
///     ├───────────────────────────────────────────────┤ 40
///     │      created at, ms since 1970 (i64)          │
///     ├───────────────────────────────────────────────┤ 48
///     │      ttl, ns (i64)                            │
///     ├───────────────────────────────────────────────┤ 56
///     │      stale ttl, ns (i64)                      │
///     ├───────────────────────────────────────────────┤ 64
///     │      generation time, ns (i64)                │
///     ├───────────────────────────────────────────────┤ 72
///     │      chunks (i64)                             │
///     ├───────────────────────────────────────────────┤ 80
///     │      raw bytes (i64)                          │
///     ├───────────────────────────────────────────────┤ 88
///     │      prompt tokens (i64)                      │   zero where usage is not known
///     ├───────────────────────────────────────────────┤ 96
///     │      completion tokens (i64)                  │
///     ├───────────────────────┬───────────────────────┤ 104
///     │   model size (u32)    │   coded size (u32)    │
///     ├───────────────────────┴───────────────────────┤ 112
///     │      three times: a scope (u64),              │   `Generations`; the first `marks` of them are meant,
///     │      its generation (u64)                     │   the others are zero
///     ├───────────────────────────────────────────────┤ 160
///     │      model, UTF-8                             │
///     │      coded recording                          │
///     ├───────────────────────────────────────────────┤
///     │      tag (16 bytes)                           │   `Seal`
///     └───────────────────────────────────────────────┘
///
/// With a key ring all of this but the tag is encrypted behind a head in the clear:
///
///     ┌───────────────┬───────┬───────────────────────┐
///     │    "SMVR"     │   5   │         zero          │
///     ├───────────────┴───────┴───────────────────────┤ 8
///     │      the envelope of `Vault` (48 bytes)       │
///     ├───────────────────────────────────────────────┤ 56
///     │      stale ttl, ns (i64)                      │
///     ├───────────────────────────────────────────────┤ 64
///     │      ciphertext, and its tag (16 bytes)       │
///     └───────────────────────────────────────────────┘
///
/// Big-endian. The scripts inside Redis read magic, version and stale ttl: they stand at the same place in both.
enum StoredValue {
    static let magic: [UInt8] = Array("SMVR".utf8)
    /// Raised by whatever changes these bytes or how a recording is coded (`ChunkFormat`, `ChunkDictionary`).
    static let version: UInt8 = 4
    static let headerSize = 112 + Generations.markCountMax * 16
    static let checksumSize = Seal.tagSize
    /// Of what is encrypted.
    static let sealedVersion: UInt8 = 5
    private static let sealedPrefixSize = 8
    private static let sealedSuffixSize = 8

    /// What all values begin with that this seal opens.
    static func head(_ seal: Seal) -> [UInt8] { magic + [seal.vault == nil ? version : sealedVersion] }
    /// What an answer may weigh once it is unpacked.
    static let rawByteCountMax = 256 << 20

    /// How large this answer's value is at most, without making it.
    static func size(of answer: Answer) -> Int {
        headerSize + answer.model.utf8.count + answer.recording.coded.count + Seal.overheadMax
            + sealedPrefixSize + sealedSuffixSize
    }

    static func encode(_ answer: Answer, for key: RequestKey, seal: Seal = Seal()) -> [UInt8] {
        let recording = answer.recording
        let model = Array(answer.model.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size(of: answer))
        bytes += magic
        let flags: UInt8 =
            (recording.usageAsked ? 1 : 0) | (answer.usage == nil ? 0 : 2)
            | (answer.usage?.isEstimated == true ? 4 : 0)
        bytes += [version, recording.form == .stream ? 1 : 0, flags, UInt8(answer.generations.count)]
        bytes += key.bytes
        bytes.append(bigEndian: answer.createdAt.milliseconds)
        bytes.append(bigEndian: answer.ttl.nanoseconds)
        bytes.append(bigEndian: answer.staleTTL.nanoseconds)
        bytes.append(bigEndian: answer.generationTime.nanoseconds)
        bytes.append(bigEndian: Int64(recording.chunkCount))
        bytes.append(bigEndian: Int64(recording.rawByteCount))
        bytes.append(bigEndian: Int64(answer.usage?.promptTokenCount ?? 0))
        bytes.append(bigEndian: Int64(answer.usage?.completionTokenCount ?? 0))
        bytes.append(bigEndian: UInt32(model.count))
        bytes.append(bigEndian: UInt32(recording.coded.count))
        let marks = answer.generations.marks
        for index in 0..<Generations.markCountMax {
            bytes.append(bigEndian: index < marks.count ? marks[index].scope : 0)
            bytes.append(bigEndian: index < marks.count ? marks[index].number : 0)
        }
        bytes += model
        bytes += recording.coded
        guard let vault = seal.vault else { return Seal.tagged(bytes, as: .answer(key)) }
        return vault.seal(
            bytes, after: magic + [sealedVersion, 0, 0, 0], before: Array(bytes[56..<64]), as: .answer(key))
    }

    /// How many of a value's first bytes tell it from any other under its name: with a key ring the nonce is among them,
    /// without one the times, which are to the nanosecond.
    static func identitySize(_ seal: Seal) -> Int {
        seal.vault == nil ? headerSize : sealedPrefixSize + Vault.envelopeSize + sealedSuffixSize
    }

    /// Which value begins so; nil: none of ours. Believes what it reads: says nothing of whether the value is sound.
    static func identity(_ bytes: some Collection<UInt8>, seal: Seal) -> ValueIdentity? {
        let beginning = bytes.prefix(identitySize(seal))
        guard beginning.count == identitySize(seal) else { return nil }
        return ValueIdentity(bits: SHA256.hash(data: Array(beginning)).prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The answer, if these bytes are one, are whole, and belong to this key.
    static func decode(
        _ bytes: [UInt8], for key: RequestKey, seal: Seal = Seal()
    ) throws(ValueDamage) -> Answer {
        guard bytes.count >= headerSize + checksumSize else { throw .size }
        guard bytes[..<4].elementsEqual(magic) else { throw .magic }
        let identity = identity(bytes, seal: seal)
        guard let vault = seal.vault else { return try tagged(bytes, for: key, identity) }
        // What is not encrypted is not believed where there is a key ring: anybody could have put it there.
        guard bytes[4] == sealedVersion else { throw .version }
        guard
            let opened = vault.open(
                bytes, prefixSize: sealedPrefixSize, suffixSize: sealedSuffixSize, as: .answer(key))
        else { throw .checksum }
        return try answer(opened, for: key, identity)
    }

    private static func tagged(
        _ bytes: [UInt8], for key: RequestKey, _ identity: ValueIdentity?
    ) throws(ValueDamage) -> Answer {
        guard bytes[4] == version else { throw .version }
        // Whose it is stands in it: sound and another's is not damaged.
        let owner = RequestKey(bytes: Array(bytes[8..<40]))
        guard let opened = Seal.untagged(bytes[...], as: .answer(owner)) else {
            throw bytes.count == size(in: bytes) + checksumSize ? .checksum : .size
        }
        return try answer(Array(opened), for: key, identity)
    }

    /// How long a value says that it is, without its tag.
    private static func size(in bytes: [UInt8]) -> Int {
        headerSize + Int(bytes.bigEndian(at: 104, as: UInt32.self)) + Int(bytes.bigEndian(at: 108, as: UInt32.self))
    }

    private static func answer(
        _ bytes: [UInt8], for key: RequestKey, _ identity: ValueIdentity?
    ) throws(ValueDamage) -> Answer {
        guard bytes.count >= headerSize, bytes.count == size(in: bytes) else { throw .size }
        guard bytes[..<5].elementsEqual(magic + [version]) else { throw .malformed }
        guard bytes[8..<40].elementsEqual(key.bytes) else { throw .key }
        let codedStart = headerSize + Int(bytes.bigEndian(at: 104, as: UInt32.self))
        return try answer(
            bytes, model: bytes[headerSize..<codedStart], coded: Array(bytes[codedStart...]), identity)
    }

    /// Reads the header of a value that is sound. Even so nothing in it is taken on trust.
    private static func answer(
        _ bytes: [UInt8], model: ArraySlice<UInt8>, coded: [UInt8], _ identity: ValueIdentity?
    ) throws(ValueDamage) -> Answer {
        let flags = bytes[6]
        let numbers = stride(from: 48, to: 104, by: 8).map { bytes.bigEndian(at: $0, as: Int64.self) }
        guard bytes[5] <= 1, flags <= 7, bytes[7] <= Generations.markCountMax,
            bytes[(112 + 16 * Int(bytes[7]))..<headerSize].allSatisfy({ $0 == 0 }), numbers.allSatisfy({ $0 >= 0 }),
            numbers[4] <= rawByteCountMax, let model = String(validating: model, as: UTF8.self)
        else { throw .malformed }
        let hasUsage = flags & 2 != 0
        // What is not there is written as zeros, and as nothing else.
        guard hasUsage || (flags & 4 == 0 && numbers[5...6].allSatisfy({ $0 == 0 })),
            bytes[(112 + 16 * Int(bytes[7]))..<headerSize].allSatisfy({ $0 == 0 })
        else { throw .malformed }
        let marks = (0..<Int(bytes[7])).map { index in
            Generations.Mark(
                scope: bytes.bigEndian(at: 112 + 16 * index, as: UInt64.self),
                number: bytes.bigEndian(at: 120 + 16 * index, as: UInt64.self))
        }
        return Answer(
            recording: Recording(
                form: bytes[5] == 1 ? .stream : .body, usageAsked: flags & 1 != 0,
                chunkCount: Int(numbers[3]), rawByteCount: Int(numbers[4]), coded: coded),
            model: model,
            createdAt: WallTime(milliseconds: bytes.bigEndian(at: 40, as: Int64.self)),
            generationTime: .nanoseconds(numbers[2]),
            usage: hasUsage
                ? Usage(
                    promptTokenCount: Int(numbers[5]), completionTokenCount: Int(numbers[6]),
                    isEstimated: flags & 4 != 0) : nil,
            ttl: .nanoseconds(numbers[0]),
            staleTTL: .nanoseconds(numbers[1]),
            generations: Generations(marks),
            identity: identity)
    }
}

/// Why stored bytes are not this key's answer. Each makes a miss.
public enum ValueDamage: String, Error, CaseIterable, Sendable {
    /// Not as long as it says, or as short as nothing of ours is.
    case size
    /// Not ours.
    case magic
    /// Written by another version.
    case version
    /// Damaged.
    case checksum
    /// Sound, and another key's.
    case key
    /// Sound, and impossible.
    case malformed

    /// Whether the value is taken out of Redis. What is not is written over by the next answer, and may be good for
    /// a process of another version until then.
    var isRemoved: Bool { self == .checksum || self == .key }
}
