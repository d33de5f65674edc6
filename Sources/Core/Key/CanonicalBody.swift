import Crypto

/// One request body, checked and taken apart: the caller's bytes, and the form in which requests are compared.
///
/// Canonical means:
/// - members are sorted in the top object, in messages, in their content parts and in the tool calls that they
///   tell of, and nowhere else: inside
///   `tools`, `functions`, `response_format`, `tool_choice` and every member that we do not know their
///   order is kept, because a schema's order steers the answer;
/// - numbers that are direct members of the top object compare by exact decimal value, all others by spelling;
/// - strings compare by code points, and white space outside strings is nothing;
/// - arrays keep their order, defaults are not filled in.
///
/// Refused: members named twice, nesting over 64, numbers no double can hold, invalid UTF-8, half a surrogate
/// pair. One pass, O(bytes) but for sorting. What is sent upstream is made from `bytes`, never from the
/// canonical form (`UpstreamBody`).
public struct CanonicalBody: Sendable {
    /// A member of the top object.
    public struct Member: Sendable {
        /// The decoded name.
        public let name: String
        /// From the opening quote of the name to the end of the value, in `bytes`.
        public let source: Range<Int>
        /// The value alone, in `bytes`.
        public let value: Range<Int>
        /// `"name":value` in canonical form, in `canonical`.
        let canonical: Range<Int>
        let canonicalName: Range<Int>
    }

    /// The body as the caller sent it.
    public let bytes: [UInt8]
    /// The members of the top object in the caller's order.
    public let members: [Member]
    /// The canonical text of every member, one after the other.
    private let canonical: [UInt8]

    public init(_ bytes: [UInt8]) throws(BodyError) {
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            throw .invalidUTF8(at: error.byteOffsets.lowerBound)
        }
        var canonicaliser = Canonicaliser(bytes)
        members = try canonicaliser.topObject()
        canonical = canonicaliser.output
        self.bytes = bytes
    }

    /// The member of that name, if there is one. O(members).
    public subscript(name: String) -> Member? {
        members.first { $0.name == name }
    }

    /// Members that never make two requests different: how the answer is delivered, and what is meant for us.
    public static func isLeftOut(_ name: String) -> Bool {
        name == "stream" || name == "stream_options" || name == "cache"
    }

    /// The members that count, in canonical order, as `"name":value`.
    func counted(ignoring ignored: Set<String>) -> [ArraySlice<UInt8>] {
        members
            .filter { !Self.isLeftOut($0.name) && (ignored.isEmpty || !ignored.contains($0.name)) }
            .sorted { canonical[$0.canonicalName].lexicographicallyPrecedes(canonical[$1.canonicalName]) }
            .map { canonical[$0.canonical] }
    }

    /// The canonical text, as `samovar explain` prints it.
    public func canonicalText(ignoring ignored: Set<String> = []) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(canonical.count + members.count + 2)
        text.append(UInt8(ascii: "{"))
        for member in counted(ignoring: ignored) {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text.append(contentsOf: member)
        }
        text.append(UInt8(ascii: "}"))
        return text
    }

    /// SHA-256 of the canonical text: the first of the key's two levels.
    public func digest(ignoring ignored: Set<String> = []) -> BodyDigest {
        BodyDigest(bytes: Array(SHA256.hash(data: canonicalText(ignoring: ignored))))
    }
}

/// SHA-256 of a canonical body: 32 bytes.
public struct BodyDigest: Hashable, Sendable {
    public let bytes: [UInt8]

    /// What stands for the body of a request that has none (`GET /v1/models`).
    public static let noBody = BodyDigest(bytes: Array(SHA256.hash(data: [UInt8]())))
}
