/// What an upstream is sent: the caller's own bytes, less our own members, with the delivery we need asked for.
///
/// Everything that is not named here reaches the upstream byte for byte, in the caller's order and spacing.
public struct UpstreamBody: Hashable, Sendable {
    /// Ask for this form, whatever the caller asked for. Nil: as the caller asked.
    public var stream: Bool?
    /// Ask that a stream carries its usage.
    public var includeUsage: Bool

    public init(stream: Bool?, includeUsage: Bool) {
        self.stream = stream
        self.includeUsage = includeUsage
    }

    /// Our own members, which no upstream sees.
    static let ownMembers: Set<String> = ["cache"]

    /// The bytes to send. O(bytes).
    public func bytes(of body: CanonicalBody) -> [UInt8] {
        var replaced: [String: [UInt8]] = [:]
        if let stream { replaced["stream"] = Array((stream ? "true" : "false").utf8) }
        if includeUsage { replaced["stream_options"] = Self.streamOptions(of: body) }
        if stream == false, body["stream_options"] != nil { replaced["stream_options"] = nil }
        let left = body.members.contains { Self.ownMembers.contains($0.name) || replaced[$0.name] != nil }
        if !left, replaced.isEmpty { return body.bytes }
        return rewritten(body, replacing: replaced, dropping: stream == false ? ["stream_options"] : [])
    }

    private func rewritten(
        _ body: CanonicalBody, replacing replaced: [String: [UInt8]], dropping dropped: Set<String>
    ) -> [UInt8] {
        let source = body.bytes
        guard let first = body.members.first, let last = body.members.last else { return source }
        var output = Array(source[..<first.source.lowerBound])
        var hasMember = false
        var missing = replaced
        for (position, member) in body.members.enumerated()
        where !Self.ownMembers.contains(member.name) && !dropped.contains(member.name) {
            if hasMember {
                // The caller's own comma and spacing before this member.
                output.append(
                    contentsOf: source[body.members[position - 1].source.upperBound..<member.source.lowerBound])
            }
            hasMember = true
            if let value = missing.removeValue(forKey: member.name) {
                output.append(contentsOf: source[member.source.lowerBound..<member.value.lowerBound])
                output.append(contentsOf: value)
            } else {
                output.append(contentsOf: source[member.source])
            }
        }
        for name in missing.keys.sorted() {
            if hasMember { output.append(UInt8(ascii: ",")) }
            hasMember = true
            output.append(contentsOf: "\"\(name)\":".utf8)
            output.append(contentsOf: missing[name] ?? [])
        }
        output.append(contentsOf: source[last.source.upperBound...])
        return output
    }

    /// The caller's `stream_options` with `include_usage` true, its other members kept as they stand.
    private static func streamOptions(of body: CanonicalBody) -> [UInt8] {
        var members = ["\"include_usage\":true"[...]]
        if let given = body["stream_options"] {
            for member in body.objectMembers(of: given) where member.name != "include_usage" {
                members.append(String(decoding: body.bytes[member.source], as: UTF8.self)[...])
            }
        }
        return Array("{\(members.joined(separator: ","))}".utf8)
    }
}

extension CanonicalBody {
    /// The members of an object that stands directly in the top object; none where it is no object.
    func objectMembers(of member: Member) -> [(name: String, source: Range<Int>, value: Range<Int>)] {
        (try? JSONScanner.objectMembers(of: bytes, in: member.value)) ?? []
    }

    public func isNull(_ member: Member) -> Bool { text(of: member.value) == "null" }

    func text(of range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// The decoded string of a value, or nil where it is of another type.
    func string(of range: Range<Int>) -> String? {
        guard bytes[range].first == UInt8(ascii: "\"") else { return nil }
        var scanner = JSONScanner(bytes, in: range)
        guard let token = try? scanner.scanString() else { return nil }
        return String(decoding: JSONString.decoded(token, of: bytes), as: UTF8.self)
    }

    /// A member's boolean; false where it is absent or null.
    func boolean(_ name: String) throws(BodyError) -> Bool {
        guard let member = self[name], !isNull(member) else { return false }
        switch text(of: member.value) {
        case "true": return true
        case "false": return false
        default: throw .wrongType(member: name, expected: "true or false")
        }
    }
}

extension JSONScanner {
    /// The members of the object at `range`, which an earlier scan has accepted; throws where it is no object.
    package static func objectMembers(
        of bytes: [UInt8], in range: Range<Int>
    ) throws(BodyError) -> [(name: String, source: Range<Int>, value: Range<Int>)] {
        var scanner = JSONScanner(bytes, in: range)
        var members: [(name: String, source: Range<Int>, value: Range<Int>)] = []
        try scanner.expect(UInt8(ascii: "{"), "an object")
        scanner.skipSpace()
        while scanner.current != UInt8(ascii: "}") {
            let start = scanner.index
            let token = try scanner.scanString()
            scanner.skipSpace()
            try scanner.expect(UInt8(ascii: ":"), "':'")
            scanner.skipSpace()
            let value = try scanner.skipValue()
            let name = String(decoding: JSONString.decoded(token, of: bytes), as: UTF8.self)
            members.append((name, start..<value.upperBound, value))
            scanner.skipSpace()
            if scanner.current == UInt8(ascii: ",") {
                scanner.index += 1
                scanner.skipSpace()
            }
        }
        return members
    }

    /// Passes over one value, whatever it is, and returns where it stands.
    package mutating func skipValue(depth: Int = 0) throws(BodyError) -> Range<Int> {
        let start = index
        switch current {
        case UInt8(ascii: "\""): _ = try scanString()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try scanNumber()
        case UInt8(ascii: "{"), UInt8(ascii: "["): try skipNested(depth: depth)
        default: _ = try scanLiteral()
        }
        return start..<index
    }

    private mutating func skipNested(depth: Int) throws(BodyError) {
        guard depth < Self.depthMax else { throw .depthMax(at: index) }
        let isObject = current == UInt8(ascii: "{")
        let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        index += 1
        skipSpace()
        if current == close {
            index += 1
            return
        }
        while true {
            if isObject {
                _ = try scanString()
                skipSpace()
                try expect(UInt8(ascii: ":"), "':'")
                skipSpace()
            }
            _ = try skipValue(depth: depth + 1)
            skipSpace()
            guard current == UInt8(ascii: ",") else { break }
            index += 1
            skipSpace()
        }
        try expect(close, isObject ? "',' or '}'" : "',' or ']'")
    }
}
