// Unsafe memory: reads values in the canonical text where it was written (see Scratch, which keeps the bounds).

/// What we read from the members of a body ourselves.
struct BodyFacts {
    var model = ""
    var stream = false
    var includeUsage = false
    var controls = Controls()
    /// Whether the answer is drawn anew each time.
    var samples = true
    /// Whether the provider keeps something, or answers from something it keeps: no two such calls are the same.
    var hasSideEffects = false

    private static let modelByteMax = 512

    /// Of a request without a body.
    init() {}

    /// Of the body that was read last.
    init(_ body: borrowing Canonicaliser) throws(BodyError) {
        let known = KnownMembers(body)
        if let member = known.member(.model, body) {
            guard member.source.end - member.source.value <= Self.modelByteMax,
                let name = JSONString.text(of: body.output.bytes(member.value))
            else { throw .wrongType(member: "model", expected: "a string of at most \(Self.modelByteMax) bytes") }
            model = name
        }
        stream = try Self.boolean(known.member(.stream, body), "stream", body)
        if let options = known.member(.streamOptions, body) {
            includeUsage = Self.includesUsage(body.output.bytes(options.value))
        }
        if let member = known.member(.cache, body), !Self.isNull(member, body) {
            controls = try Controls(member: Array(body.output.bytes(member.value)))
        }
        samples = Self.samples(known, body)
        hasSideEffects = try Self.hasSideEffects(known, body)
    }

    private static func samples(_ known: KnownMembers, _ body: borrowing Canonicaliser) -> Bool {
        guard let temperature = known.member(.temperature, body), isDigit("0", temperature, body) else { return true }
        if let tools = known.member(.tools, body) ?? known.member(.functions, body), !isNull(tools, body) {
            return true
        }
        guard let choices = known.member(.choices, body), !isNull(choices, body) else { return false }
        return !isDigit("1", choices, body)
    }

    private static func hasSideEffects(
        _ known: KnownMembers, _ body: borrowing Canonicaliser
    ) throws(BodyError) -> Bool {
        if try boolean(known.member(.store, body), "store", body) { return true }
        if try boolean(known.member(.background, body), "background", body) { return true }
        if let member = known.member(.previousResponse, body), !isNull(member, body) { return true }
        if let member = known.member(.conversation, body), !isNull(member, body) { return true }
        return false
    }

    // MARK: Values

    /// A member's boolean; false where it is absent or null.
    private static func boolean(
        _ member: CanonicalMember?, _ name: String, _ body: borrowing Canonicaliser
    ) throws(BodyError) -> Bool {
        guard let member else { return false }
        // The scanner lets no other value begin with these.
        switch body.output.bytes(member.value).first {
        case UInt8(ascii: "t"): return true
        case UInt8(ascii: "f"), UInt8(ascii: "n"): return false
        default: throw .wrongType(member: name, expected: "true or false")
        }
    }

    private static func isNull(_ member: CanonicalMember, _ body: borrowing Canonicaliser) -> Bool {
        body.output.bytes(member.value).first == UInt8(ascii: "n")
    }

    /// Whether the value is that number; numbers of the top object have one spelling.
    private static func isDigit(
        _ digit: Unicode.Scalar, _ member: CanonicalMember, _ body: borrowing Canonicaliser
    ) -> Bool {
        member.value.count == 1 && body.output.bytes(member.value).first == UInt8(ascii: digit)
    }

    private static func includesUsage(_ options: UnsafeBufferPointer<UInt8>) -> Bool {
        let usual: StaticString = #"{"include_usage":true}"#
        let isUsual =
            options.count == usual.utf8CodeUnitCount
            && zip(options, 0...).allSatisfy {
                $0 == usual.utf8Start[$1]
            }
        if isUsual { return true }
        let members = (try? JSONScanner.objectMembers(of: options, in: 0..<options.count)) ?? []
        return members.contains { $0.name == "include_usage" && options[$0.value].elementsEqual("true".utf8) }
    }
}

/// Where the members of the top object stand that we know.
private struct KnownMembers {
    private var indices = InlineArray<13, Int32>(repeating: -1)

    init(_ body: borrowing Canonicaliser) {
        for index in 0..<body.members.count {
            if let known = body.members[index].known {
                indices[Int(known.rawValue)] = Int32(truncatingIfNeeded: index)
            }
        }
    }

    func member(_ known: KnownMember, _ body: borrowing Canonicaliser) -> CanonicalMember? {
        let index = indices[Int(known.rawValue)]
        return index < 0 ? nil : body.members[Int(index)]
    }
}
