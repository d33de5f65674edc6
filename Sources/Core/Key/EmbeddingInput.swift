// Unsafe memory: reads members in the canonical text where it was written (see Scratch, which keeps the bounds).

/// The one input of an embeddings request, and what the rest of its body is.
///
/// Requests whose rest is the same ask one model in one way, so their inputs can be asked for in one call.
public struct EmbeddingInput: Hashable, Sendable {
    /// Where the value of `input` stands in the body: the text itself, or an array of it alone.
    public let value: Range<Int>
    /// Where the text stands in the body, quotes included.
    public let text: Range<Int>
    /// SHA-256 of the canonical text of all other members, `stream` and `cache` too.
    public let rest: BodyDigest

    /// Whether the caller spelled it as an array of one.
    public var isArray: Bool { text != value }

    /// The input of this body; nil where it has none or several, or one that is no text: token numbers, and the empty
    /// text, which providers refuse without saying which one it was. O(bytes).
    public init?(of body: CanonicalBody) {
        guard let value = body["input"]?.value, let text = Self.onlyText(of: body.bytes, in: value), text.count > 2
        else { return nil }
        var canonicaliser = Canonicaliser()
        // It was read before, and accepted.
        guard (try? canonicaliser.read(body.bytes)) != nil else { return nil }
        self.value = value
        self.text = text
        rest = canonicaliser.digest(without: "input")
    }

    /// Where the text stands, be it the value or the only element of an array.
    private static func onlyText(of bytes: [UInt8], in value: Range<Int>) -> Range<Int>? {
        try? JSONScanner.scan(bytes) { scanner throws(BodyError) in
            scanner.index = value.lowerBound
            let isArray = scanner.current == UInt8(ascii: "[")
            if isArray {
                scanner.index += 1
                scanner.skipSpace()
            }
            let start = scanner.index
            _ = try scanner.scanString()
            let text = start..<scanner.index
            if isArray {
                scanner.skipSpace()
                try scanner.expect(UInt8(ascii: "]"), "']'")
            }
            return text
        }
    }
}

extension Canonicaliser {
    /// SHA-256 of the canonical text of all members of the body that was read last but the one of this name, which
    /// needs no escapes. O(bytes).
    fileprivate mutating func digest(without name: StaticString) -> BodyDigest {
        if !isInOrder { sortMembers(since: 0) }
        var text = [UInt8(ascii: "{")]
        for index in 0..<members.count where !members[index].isNamed(name, in: output) {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text.append(contentsOf: output.bytes(members[index].range))
        }
        text.append(UInt8(ascii: "}"))
        return BodyDigest(digest: Digest256(of: text))
    }
}
