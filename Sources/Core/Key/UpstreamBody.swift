/// What an upstream is sent: the caller's own bytes, less our own members, with the delivery we need asked for.
///
/// Everything that is not named here reaches the upstream byte for byte, in the caller's order and spacing.
public struct UpstreamBody: Hashable, Sendable {
    /// Ask for this form, whatever the caller asked for. Nil: as the caller asked.
    public var stream: Bool?
    /// Ask that a stream carries its usage.
    public var includeUsage: Bool
    /// Ask this model. Nil: as the caller asked.
    public var model: String?

    public init(stream: Bool?, includeUsage: Bool, model: String? = nil) {
        self.stream = stream
        self.includeUsage = includeUsage
        self.model = model
    }

    /// Our own members, which no upstream sees.
    static let ownMembers: Set<String> = ["cache"]

    /// The bytes to send. O(bytes).
    public func bytes(of body: CanonicalBody) -> [UInt8] {
        let members = body.members
        let options = members.first { $0.name == "stream_options" }
        var replaced: [String: [UInt8]] = [:]
        if let model { replaced["model"] = JSONString.spelled(model) }
        if let stream { replaced["stream"] = Array((stream ? "true" : "false").utf8) }
        if includeUsage { replaced["stream_options"] = Self.streamOptions(of: body, given: options) }
        if stream == false, options != nil { replaced["stream_options"] = nil }
        let left = members.contains { Self.ownMembers.contains($0.name) || replaced[$0.name] != nil }
        if !left, replaced.isEmpty { return body.bytes }
        return Self.rewritten(
            body.bytes, members, replacing: replaced,
            dropping: Self.ownMembers.union(stream == false ? ["stream_options"] : []))
    }

    /// The same bytes with other values; members that are not there are put behind the others.
    fileprivate static func rewritten(
        _ source: [UInt8], _ members: [CanonicalBody.Member], replacing replaced: [String: [UInt8]],
        dropping dropped: Set<String>
    ) -> [UInt8] {
        guard let first = members.first, let last = members.last else { return source }
        var output = Array(source[..<first.source.lowerBound])
        var hasMember = false
        var missing = replaced
        for (position, member) in members.enumerated()
        where !dropped.contains(member.name) {
            if hasMember {
                // The caller's own comma and spacing before this member.
                output.append(
                    contentsOf: source[members[position - 1].source.upperBound..<member.source.lowerBound])
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
    private static func streamOptions(of body: CanonicalBody, given: CanonicalBody.Member?) -> [UInt8] {
        var members = ["\"include_usage\":true"[...]]
        if let given {
            let options = (try? JSONScanner.objectMembers(of: body.bytes, in: given.value)) ?? []
            for member in options where member.name != "include_usage" {
                members.append(String(decoding: body.bytes[member.source], as: UTF8.self)[...])
            }
        }
        return Array("{\(members.joined(separator: ","))}".utf8)
    }
}

extension CanonicalBody {
    /// The caller's bytes with another model named, and nothing else changed. O(bytes).
    func replacing(model: String) -> [UInt8] {
        UpstreamBody.rewritten(bytes, members, replacing: ["model": JSONString.spelled(model)], dropping: [])
    }
}
