import SamovarCore

/// A published entry as bytes, bound to its attempt and to its place in the attempt's stream.
///
///     0       1       2       3       4               8
///     ┌───────┬───────┬───────┬───────┬───────────────┐
///     │version│ kind  │ form  │ flags │  index (u32)  │   kind: 1 chunks, 2 end, 3 failed; form: 0 body, 1 stream
///     ├───────┴───────┴───────┴───────┴───────────────┤   flags: 1 usage was asked for, 2 usage is known, 4 stored,
///     │ chunks: first, count, raw bytes (3 × u32),    │          8 somebody else may call anew,
///     │         the coded chunks (`ChunkCoder`)       │          16 usage is estimated
///     │ end:    chunks (u32), usage (2 × i64)         │
///     │ failed: the failure (`FailureCode`)           │
///     ├───────────────────────────────────────────────┤
///     │ tag (16 bytes): `Seal`                        │
///     └───────────────────────────────────────────────┘
///
/// With a key ring it is encrypted behind eight bytes in the clear, version 2 and the index, and the envelope of `Vault`.
///
/// Big-endian. Each entry can be read alone, so a reader may come late.
enum StreamEntry {
    /// Raised by whatever changes these bytes or how chunks are coded. A reader of another version reads nothing.
    static let version: UInt8 = 1
    static let headerSize = 8
    /// Of what is encrypted.
    static let sealedVersion: UInt8 = 2
    private static let sealedPrefixSize = 8
    /// How many bytes of chunks one entry carries, as they came. More is split; a chunk that is larger by itself is not
    /// published.
    static let rawByteMax = 64 << 10
    static let chunkMax = 512
    /// No entry is larger, whatever it holds: a reader takes `readEntryMax` of them at once.
    static let byteMax = rawByteMax + (4 << 10)

    private enum Kind: UInt8 {
        case chunks = 1
        case end = 2
        case failed = 3
    }

    /// The same in entries of which none holds too much; nil where a chunk does so by itself.
    static func split(_ entries: [PublishedEntry]) -> [PublishedEntry]? {
        var pieces: [PublishedEntry] = []
        for entry in entries {
            guard case .chunks(let first, let form, let chunks) = entry else {
                pieces.append(entry)
                continue
            }
            var index = first
            var rest = chunks[...]
            while !rest.isEmpty {
                var size = 0
                let piece = rest.prefix(chunkMax).prefix { chunk in
                    size += chunk.bytes.count
                    return size <= rawByteMax
                }
                guard !piece.isEmpty else { return nil }
                pieces.append(.chunks(first: index, form, Array(piece)))
                index += piece.count
                rest = rest.dropFirst(piece.count)
            }
        }
        return pieces
    }

    /// - Precondition: `split` has made the entry.
    static func encode(
        _ entry: PublishedEntry, index: UInt32, of attempt: AttemptID, for key: RequestKey, seal: Seal
    ) -> [UInt8] {
        var bytes: [UInt8]
        switch entry {
        case .chunks(let first, let form, let chunks):
            let recording = Recording(form: form.form, usageAsked: form.usageAsked, chunks: chunks)
            bytes = header(.chunks, form, 0, index)
            bytes.append(bigEndian: UInt32(first))
            bytes.append(bigEndian: UInt32(recording.chunkCount))
            bytes.append(bigEndian: UInt32(recording.rawByteCount))
            bytes += recording.coded
        case .end(let count, let form, let usage, let isStored):
            let flags =
                (usage == nil ? 0 : Flag.hasUsage) | (usage?.isEstimated == true ? Flag.isEstimated : 0)
                | (isStored ? Flag.isStored : 0)
            bytes = header(.end, form, flags, index)
            bytes.append(bigEndian: UInt32(count))
            bytes.append(bigEndian: Int64(usage?.promptTokenCount ?? 0))
            bytes.append(bigEndian: Int64(usage?.completionTokenCount ?? 0))
        case .failed(let failure, let isRetryable):
            bytes = header(
                .failed, PublishedForm(.body, usageAsked: false), isRetryable ? Flag.isRetryable : 0, index)
            FailureCode.append(failure, to: &bytes)
        }
        let identity = Seal.Identity.entry(key, attempt, index: index)
        guard let vault = seal.vault else { return Seal.tagged(bytes, as: identity) }
        return vault.seal(bytes, after: [sealedVersion, 0, 0, 0] + bytes[4..<8], as: identity)
    }

    /// The entry and its place, if these bytes are one, are whole and belong to this attempt of this key.
    static func decode(
        _ sealed: [UInt8], of attempt: AttemptID, for key: RequestKey, seal: Seal
    ) -> (entry: PublishedEntry, index: UInt32)? {
        guard sealed.count >= headerSize + Seal.tagSize,
            sealed.count <= byteMax + Seal.overheadMax + sealedPrefixSize
        else { return nil }
        let index = sealed.bigEndian(at: 4, as: UInt32.self)
        let identity = Seal.Identity.entry(key, attempt, index: index)
        let opened: [UInt8]?
        if let vault = seal.vault {
            opened =
                sealed[0] == sealedVersion ? vault.open(sealed, prefixSize: sealedPrefixSize, as: identity) : nil
        } else {
            opened = Seal.untagged(sealed[...], as: identity).map { Array($0) }
        }
        guard let opened, opened.count >= headerSize, opened[0] == version,
            opened.bigEndian(at: 4, as: UInt32.self) == index, let entry = read(opened)
        else { return nil }
        return (entry, index)
    }

    // MARK: Pieces

    private enum Flag {
        static let usageAsked: UInt8 = 1
        static let hasUsage: UInt8 = 2
        static let isStored: UInt8 = 4
        static let isRetryable: UInt8 = 8
        static let isEstimated: UInt8 = 16
    }

    private static func header(_ kind: Kind, _ form: PublishedForm, _ flags: UInt8, _ index: UInt32) -> [UInt8] {
        var bytes = [
            version, kind.rawValue, form.form == .stream ? 1 : 0, flags | (form.usageAsked ? Flag.usageAsked : 0),
        ]
        bytes.append(bigEndian: index)
        return bytes
    }

    /// Reads what is sound. Even so nothing in it is taken on trust.
    private static func read(_ bytes: [UInt8]) -> PublishedEntry? {
        let flags = bytes[3]
        guard let kind = Kind(rawValue: bytes[1]), bytes[2] <= 1, flags <= 31 else { return nil }
        let form = PublishedForm(bytes[2] == 1 ? .stream : .body, usageAsked: flags & Flag.usageAsked != 0)
        var reader = EntryReader(bytes[headerSize...])
        switch kind {
        case .chunks: return chunks(form, &reader)
        case .end:
            guard let count = reader.number(UInt32.self), let prompt = reader.number(Int64.self),
                let completion = reader.number(Int64.self), reader.isAtEnd, prompt >= 0, completion >= 0
            else { return nil }
            let usage = Usage(
                promptTokenCount: Int(prompt), completionTokenCount: Int(completion),
                isEstimated: flags & Flag.isEstimated != 0)
            return .end(
                count: Int(count), form, usage: flags & Flag.hasUsage != 0 ? usage : nil,
                isStored: flags & Flag.isStored != 0)
        case .failed:
            guard let failure = FailureCode.read(&reader), reader.isAtEnd else { return nil }
            return .failed(failure, isRetryable: flags & Flag.isRetryable != 0)
        }
    }

    private static func chunks(_ form: PublishedForm, _ reader: inout EntryReader) -> PublishedEntry? {
        guard let first = reader.number(UInt32.self), let count = reader.number(UInt32.self),
            let rawByteCount = reader.number(UInt32.self), count > 0, count <= chunkMax, rawByteCount <= rawByteMax
        else { return nil }
        let recording = Recording(
            form: form.form, usageAsked: form.usageAsked, chunkCount: Int(count), rawByteCount: Int(rawByteCount),
            coded: reader.rest())
        do throws(RecordingError) {
            return .chunks(first: Int(first), form, try recording.chunks())
        } catch {
            return nil
        }
    }
}
