// Unsafe memory: SHA-256 takes the canonical text from where it was written (see Scratch, which keeps the bounds).

import Crypto

/// SHA-256 of a canonical body: the first of the key's two levels.
public struct BodyDigest: Hashable, Sendable {
    let digest: Digest256

    /// The 32 bytes.
    public var bytes: [UInt8] { digest.bytes }

    /// What stands for the body of a request that has none (`GET /v1/models`).
    public static let noBody = BodyDigest(digest: Digest256(of: [UInt8]()))
}

/// The names of members that a route leaves out of the key, spelled canonically.
struct IgnoredMembers: Sendable {
    private let names: [[UInt8]]

    init(_ names: Set<String>) {
        self.names = names.map { name in
            var text = Scratch()
            for scalar in name.unicodeScalars { JSONString.append(scalar.value, to: &text) }
            return Array(text.bytes(0..<text.count))
        }
    }

    var isEmpty: Bool { names.isEmpty }

    /// O(names).
    func contains(_ member: CanonicalMember, in text: borrowing Scratch) -> Bool {
        let name = text.bytes(member.name.lowerBound + 1..<member.name.upperBound - 1)
        return names.contains { $0.elementsEqual(name) }
    }
}

extension Canonicaliser {
    /// Reads a body and digests it.
    package mutating func digest(of bytes: [UInt8]) throws(BodyError) -> BodyDigest {
        try read(bytes)
        return digest(ignoring: IgnoredMembers([]))
    }

    /// SHA-256 of the canonical text of the body that was read last. O(bytes).
    mutating func digest(ignoring ignored: IgnoredMembers) -> BodyDigest {
        var hasher = SHA256()
        if isInOrder, !leavesOut(ignored) {
            hasher.update(bufferPointer: UnsafeRawBufferPointer(output.bytes(0..<output.count)))
        } else {
            hash(ignoring: ignored, &hasher)
        }
        return BodyDigest(digest: Digest256(hasher.finalize()))
    }

    /// Small members are gathered and hashed in one go, as each call costs as much as hashing a block; large ones are
    /// hashed where they stand, as moving them costs more than the call.
    private mutating func hash(ignoring ignored: IgnoredMembers, _ hasher: inout SHA256) {
        if !isInOrder { sortMembers(since: 0) }
        aside.clear()
        var next = UInt8(ascii: "{")
        for index in 0..<members.count where !isLeftOut(members[index], ignored) {
            aside.append(next)
            next = UInt8(ascii: ",")
            let text = output.bytes(members[index].range)
            if text.count < Self.hashedInPlaceMin {
                aside.append(text)
            } else {
                hasher.update(bufferPointer: UnsafeRawBufferPointer(aside.bytes(0..<aside.count)))
                hasher.update(bufferPointer: UnsafeRawBufferPointer(text))
                aside.clear()
            }
        }
        if next == UInt8(ascii: "{") { aside.append(next) }
        aside.append(UInt8(ascii: "}"))
        hasher.update(bufferPointer: UnsafeRawBufferPointer(aside.bytes(0..<aside.count)))
    }

    private static let hashedInPlaceMin = 2_048

    private func leavesOut(_ ignored: IgnoredMembers) -> Bool {
        for index in 0..<members.count where isLeftOut(members[index], ignored) { return true }
        return false
    }

    private func isLeftOut(_ member: CanonicalMember, _ ignored: IgnoredMembers) -> Bool {
        if let known = member.known, known.isLeftOut { return true }
        return !ignored.isEmpty && ignored.contains(member, in: output)
    }

    /// The canonical text of the body that was read last.
    mutating func text(ignoring ignored: IgnoredMembers) -> [UInt8] {
        if !isInOrder { sortMembers(since: 0) }
        var text = [UInt8(ascii: "{")]
        for index in 0..<members.count where !isLeftOut(members[index], ignored) {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text.append(contentsOf: output.bytes(members[index].range))
        }
        text.append(UInt8(ascii: "}"))
        return text
    }
}
