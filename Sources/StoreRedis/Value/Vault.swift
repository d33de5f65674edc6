import Crypto
import SamovarCore
import SamovarEngine

/// Encrypts what is kept in Redis, bound to what it is: AES-256-GCM (NIST SP 800-38D).
///
///     │ prefix │ key (u32) │ boot (32 bytes) │ nonce (12 bytes) │ suffix │ ciphertext │ tag (16 bytes) │
///      ╰──────────── in the clear, and covered by the tag like the identity ─────────╯
///
/// The key is HKDF-SHA-256 (RFC 5869) of the ring's key with a random number of 256 bits that this process has drawn
/// for itself, and the nonce counts: so no nonce is ever used twice under a key, whatever other processes do. After
/// 2³² values a new number is drawn.
final class Vault: Sendable {
    static let envelopeSize = 4 + bootSize + nonceSize
    static let tagSize = 16
    /// By how much a value grows, beside its prefix and suffix.
    static let overhead = envelopeSize + tagSize

    private static let bootSize = 32
    private static let nonceSize = 12
    /// How many values are sealed under one derived key.
    static let countMax: UInt64 = 1 << 32
    /// As many derived keys of other processes are kept at hand; a new one costs two hashes.
    private static let knownMax = 256

    private struct Name: Hashable {
        let number: UInt32
        let boot: [UInt8]
    }

    private struct State {
        var ring: KeyRing
        var sealing: Name
        var sealingKey: SymmetricKey
        var count: UInt64 = 0
        var known: [Name: SymmetricKey] = [:]
    }

    private let state: Lock<State>

    /// - Parameter count: how many values have been sealed already, for tests.
    init(_ ring: KeyRing, count: UInt64 = 0) {
        let (name, key) = Self.newKey(ring)
        state = Lock(State(ring: ring, sealing: name, sealingKey: key, count: count))
    }

    /// What everything is called: the key of the HMAC behind names.
    var names: [UInt8] { state.withLock { $0.ring.names } }

    /// Seals with another key from now on, and opens what the new ring's keys have sealed.
    func change(to ring: KeyRing) {
        let (name, key) = Self.newKey(ring)
        state.withLock { state in
            state.ring = ring
            state.sealing = name
            state.sealingKey = key
            state.count = 0
            state.known = [:]
        }
    }

    private static func newKey(_ ring: KeyRing) -> (Name, SymmetricKey) {
        var random = SystemRandomNumberGenerator()
        let boot = (0..<bootSize).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let name = Name(number: ring.sealing, boot: boot)
        return (name, derive(ring.keys[ring.sealing] ?? [], name))
    }

    private static func derive(_ key: [UInt8], _ name: Name) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: key), salt: name.boot, info: Array("samovar seal v1".utf8),
            outputByteCount: 32)
    }

    /// - Parameters:
    ///   - prefix: stays readable before the envelope.
    ///   - suffix: stays readable behind it.
    func seal(
        _ plain: [UInt8], after prefix: [UInt8], before suffix: [UInt8] = [], as identity: Seal.Identity
    ) -> [UInt8] {
        let (name, key, number) = take()
        var sealed: [UInt8] = []
        sealed.reserveCapacity(prefix.count + Self.overhead + suffix.count + plain.count)
        sealed += prefix
        sealed.append(bigEndian: name.number)
        sealed += name.boot
        var nonce: [UInt8] = [0, 0, 0, 0]
        nonce.append(bigEndian: number)
        sealed += nonce
        sealed += suffix
        do {
            let box = try AES.GCM.seal(
                plain, using: key, nonce: AES.GCM.Nonce(data: nonce), authenticating: identity.label + sealed)
            sealed += box.ciphertext
            sealed += box.tag
            return sealed
        } catch {
            preconditionFailure("a key of 32 bytes and a nonce of 12 are always taken")
        }
    }

    private func take() -> (Name, SymmetricKey, UInt64) {
        state.withLock { state in
            if state.count >= Self.countMax {
                (state.sealing, state.sealingKey) = Self.newKey(state.ring)
                state.count = 0
            }
            state.count += 1
            return (state.sealing, state.sealingKey, state.count)
        }
    }

    /// What was sealed; nil where it is damaged, something else, or sealed with a key that is not in the ring.
    func open(
        _ sealed: [UInt8], prefixSize: Int, suffixSize: Int = 0, as identity: Seal.Identity
    ) -> [UInt8]? {
        let clearSize = prefixSize + Self.envelopeSize + suffixSize
        guard sealed.count >= clearSize + Self.tagSize else { return nil }
        let bootStart = prefixSize + 4
        let nonceStart = bootStart + Self.bootSize
        let name = Name(
            number: sealed.bigEndian(at: prefixSize, as: UInt32.self), boot: Array(sealed[bootStart..<nonceStart]))
        guard let key = key(name) else { return nil }
        let tagStart = sealed.count - Self.tagSize
        do {
            let box = try AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: sealed[nonceStart..<nonceStart + Self.nonceSize]),
                ciphertext: sealed[clearSize..<tagStart], tag: sealed[tagStart...])
            return Array(try AES.GCM.open(box, using: key, authenticating: identity.label + sealed[..<clearSize]))
        } catch {
            return nil
        }
    }

    private func key(_ name: Name) -> SymmetricKey? {
        let (known, secret) = state.withLock { state in
            (name == state.sealing ? state.sealingKey : state.known[name], state.ring.keys[name.number])
        }
        if let known { return known }
        guard let secret else { return nil }
        let derived = Self.derive(secret, name)
        state.withLock { state in
            if state.known.count >= Self.knownMax { state.known.removeAll(keepingCapacity: true) }
            // The ring may have been changed meanwhile, and with it what this number means.
            if state.ring.keys[name.number] == secret { state.known[name] = derived }
        }
        return derived
    }
}
