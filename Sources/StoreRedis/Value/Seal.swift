import Crypto
import SamovarCore

/// Binds bytes to what they are, so that nothing in Redis is ever taken for something else. All that is kept there, and
/// is an answer or a part of one, passes through here.
///
///     │ bytes │ tag, 16 bytes │        tag = SHA-256 of a label, the identity and the bytes, cut short
///
/// The tag finds what was damaged and what was moved to another name; it keeps out nobody who can compute it too.
struct Seal: Sendable {
    /// What the bytes are. Covered by the tag, and not among the bytes.
    enum Identity: Hashable, Sendable {
        /// An answer. Whose it is stands at its head.
        case answer
        /// One entry of an attempt's stream.
        case entry(RequestKey, AttemptID, index: UInt32)
    }

    /// By how much bytes grow.
    static let overhead = 16

    /// - Parameter clearCount: how many of the first bytes stay readable without opening. They are covered too.
    func seal(_ bytes: [UInt8], clearCount: Int, as identity: Identity) -> [UInt8] {
        precondition(clearCount <= bytes.count)
        return bytes + tag(of: bytes[...], as: identity)
    }

    /// What was sealed, or nil where it is damaged or something else.
    func open(_ sealed: ArraySlice<UInt8>, clearCount: Int, as identity: Identity) -> ArraySlice<UInt8>? {
        guard sealed.count >= clearCount + Self.overhead else { return nil }
        let bytes = sealed.dropLast(Self.overhead)
        guard sealed.suffix(Self.overhead).elementsEqual(tag(of: bytes, as: identity)) else { return nil }
        return bytes
    }

    private static let answerLabel = Array("samovar stored value v2\0".utf8)
    private static let entryLabel = Array("samovar stream entry v1\0".utf8)

    private func tag(of bytes: ArraySlice<UInt8>, as identity: Identity) -> [UInt8] {
        var hasher = SHA256()
        switch identity {
        case .answer: hasher.update(data: Self.answerLabel)
        case .entry(let key, let attempt, let index):
            var head = Self.entryLabel
            head.reserveCapacity(80)
            head += key.bytes
            head += attempt.bytes
            head.append(bigEndian: index)
            hasher.update(data: head)
        }
        hasher.update(data: bytes)
        return Array(hasher.finalize().prefix(Self.overhead))
    }
}
