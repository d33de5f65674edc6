/// One request body, checked: the caller's bytes, which can be compared in canonical form.
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
/// pair. What is sent upstream is made from `bytes`, never from the canonical form (`UpstreamBody`).
///
/// Holds the bytes alone, so that a request that is answered from memory pays for nothing else: every question reads
/// them again, O(bytes). The way of a request asks its `Canonicaliser` instead.
public struct CanonicalBody: Sendable {
    /// A member of the top object.
    public struct Member: Sendable {
        /// The decoded name.
        public let name: String
        /// From the opening quote of the name to the end of the value, in `bytes`.
        public let source: Range<Int>
        /// The value alone, in `bytes`.
        public let value: Range<Int>
    }

    /// The body as the caller sent it.
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) throws(BodyError) {
        var canonicaliser = Canonicaliser()
        try canonicaliser.read(bytes)
        self.bytes = bytes
    }

    /// A body that a `Canonicaliser` has read.
    init(checked bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The members of the top object in the caller's order. O(bytes).
    public var members: [Member] {
        Self.checked { () throws(BodyError) in try JSONScanner.objectMembers(of: bytes, in: 0..<bytes.count) }
    }

    /// The member of that name, if there is one. O(bytes).
    public subscript(name: String) -> Member? {
        members.first { $0.name == name }
    }

    /// Members that never make two requests different: how the answer is delivered, and what is meant for us.
    public static func isLeftOut(_ name: String) -> Bool {
        name == "stream" || name == "stream_options" || name == "cache"
    }

    /// The canonical text, as `samovar explain` prints it. O(bytes).
    public func canonicalText(ignoring ignored: Set<String> = []) -> [UInt8] {
        var canonicaliser = canonicalised()
        return canonicaliser.text(ignoring: IgnoredMembers(ignored))
    }

    /// SHA-256 of the canonical text: the first of the key's two levels. O(bytes).
    public func digest(ignoring ignored: Set<String> = []) -> BodyDigest {
        var canonicaliser = canonicalised()
        return canonicaliser.digest(ignoring: IgnoredMembers(ignored))
    }

    private func canonicalised() -> Canonicaliser {
        var canonicaliser = Canonicaliser()
        Self.checked { () throws(BodyError) in try canonicaliser.read(bytes) }
        return canonicaliser
    }

    private static func checked<Result>(_ read: () throws(BodyError) -> Result) -> Result {
        do {
            return try read()
        } catch {
            preconditionFailure("the body was read once and accepted")
        }
    }
}
