import Crypto
import SamovarCore

/// Binds bytes to what they are, so that nothing in Redis is ever taken for something else. All that is kept there, and
/// is an answer or a part of one, passes through here.
///
/// With a key ring it is encrypted (`Vault`). Without one it stands in the clear, with a tag behind it:
///
///     │ bytes │ tag, 16 bytes │        tag = SHA-256 of a label, the identity and the bytes, cut short
///
/// The tag finds what was damaged and what was moved to another name; it keeps out nobody who can compute it too.
struct Seal: Sendable {
    /// What the bytes are. Covered by the tag, and not among the bytes.
    enum Identity: Hashable, Sendable {
        case answer(RequestKey)
        /// One entry of an attempt's stream.
        case entry(RequestKey, AttemptID, index: UInt32)

        /// All of it, each kind in a length of its own.
        var label: [UInt8] {
            switch self {
            case .answer(let key): return Self.answerLabel + key.bytes
            case .entry(let key, let attempt, let index):
                var label = Self.entryLabel
                label.reserveCapacity(80)
                label += key.bytes
                label += attempt.bytes
                label.append(bigEndian: index)
                return label
            }
        }

        private static let answerLabel = Array("samovar stored value v2\0".utf8)
        private static let entryLabel = Array("samovar stream entry v1\0".utf8)
    }

    /// Nil: a tag is all.
    let vault: Vault?

    init(_ vault: Vault? = nil) {
        self.vault = vault
    }

    static let tagSize = 16
    /// By how much bytes grow at most, beside what stays readable.
    static let overheadMax = max(tagSize, Vault.overhead)

    /// The bytes with their tag.
    static func tagged(_ bytes: [UInt8], as identity: Identity) -> [UInt8] {
        bytes + tag(of: bytes[...], as: identity)
    }

    /// The bytes before the tag, or nil where they are damaged or something else.
    static func untagged(_ tagged: ArraySlice<UInt8>, as identity: Identity) -> ArraySlice<UInt8>? {
        guard tagged.count >= tagSize else { return nil }
        let bytes = tagged.dropLast(tagSize)
        return tagged.suffix(tagSize).elementsEqual(tag(of: bytes, as: identity)) ? bytes : nil
    }

    private static func tag(of bytes: ArraySlice<UInt8>, as identity: Identity) -> [UInt8] {
        var hasher = SHA256()
        hasher.update(data: identity.label)
        hasher.update(data: bytes)
        return Array(hasher.finalize().prefix(tagSize))
    }
}
