/// Writes the canonical form of a body while it reads it.
struct Canonicaliser {
    private var scanner: JSONScanner
    private(set) var output: [UInt8] = []
    private var depth = 0
    /// Canonical names of the members of the objects that are open, innermost last, as ranges of `names`.
    private var openNames: [Range<Int>] = []
    private var names: [UInt8] = []

    init(_ bytes: [UInt8]) {
        scanner = JSONScanner(bytes)
        output.reserveCapacity(bytes.count)
    }

    mutating func topObject() throws(BodyError) -> [CanonicalBody.Member] {
        var members: [CanonicalBody.Member] = []
        scanner.skipSpace()
        guard scanner.current == UInt8(ascii: "{") else {
            throw .unexpected("the body must be an object", at: scanner.index)
        }
        try object(withCommas: false) { (self: inout Canonicaliser, head) throws(BodyError) in
            let name = String(decoding: JSONString.decoded(head.token, of: self.scanner.bytes), as: UTF8.self)
            let value = try self.topValue(of: name)
            members.append(
                CanonicalBody.Member(
                    name: name,
                    source: head.source..<value.upperBound,
                    value: value,
                    canonical: head.canonical.lowerBound..<self.output.count,
                    canonicalName: head.canonical
                ))
        }
        scanner.skipSpace()
        guard scanner.index == scanner.end else {
            throw .unexpected("the body goes on after its object", at: scanner.index)
        }
        return members
    }

    private mutating func topValue(of name: String) throws(BodyError) -> Range<Int> {
        let start = scanner.index
        switch scanner.current {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let range = try number()
            CanonicalNumber.append(scanner.bytes[range], to: &output)
        case UInt8(ascii: "[") where name == "messages":
            try array { (self: inout Canonicaliser) throws(BodyError) in try self.message() }
        default:
            try value()
        }
        return start..<scanner.index
    }

    private mutating func message() throws(BodyError) {
        try sorted { (self: inout Canonicaliser, head) throws(BodyError) in
            if self.isNamed("content", head) {
                try self.each { (self: inout Canonicaliser) throws(BodyError) in
                    try self.sorted { (self: inout Canonicaliser, _) throws(BodyError) in try self.value() }
                }
            } else if self.isNamed("tool_calls", head) {
                try self.each { (self: inout Canonicaliser) throws(BodyError) in try self.toolCall() }
            } else {
                try self.value()
            }
        }
    }

    /// A call that the model made, as a later request tells it: the same fields in any order.
    private mutating func toolCall() throws(BodyError) {
        try sorted { (self: inout Canonicaliser, head) throws(BodyError) in
            if self.isNamed("function", head) {
                try self.sorted { (self: inout Canonicaliser, _) throws(BodyError) in try self.value() }
            } else {
                try self.value()
            }
        }
    }

    private func isNamed(_ name: String, _ head: MemberHead) -> Bool {
        output[(head.canonical.lowerBound + 1)..<(head.canonical.upperBound - 1)].elementsEqual(name.utf8)
    }

    /// The elements of an array, or whatever else stands in its place.
    private mutating func each(_ readElement: (inout Canonicaliser) throws(BodyError) -> Void) throws(BodyError) {
        if scanner.current == UInt8(ascii: "[") { try array(readElement) } else { try value() }
    }

    /// The members of an object in the order of their names, or whatever else stands in its place.
    private mutating func sorted(
        _ readValue: (inout Canonicaliser, MemberHead) throws(BodyError) -> Void
    ) throws(BodyError) {
        if scanner.current == UInt8(ascii: "{") { try sortedObject(readValue) } else { try value() }
    }

    /// An object whose members' order is kept.
    private mutating func keptObject() throws(BodyError) {
        output.append(UInt8(ascii: "{"))
        try object(withCommas: true) { (self: inout Canonicaliser, _) throws(BodyError) in try self.value() }
        output.append(UInt8(ascii: "}"))
    }

    /// An object whose members are written in the order of their names.
    private mutating func sortedObject(
        _ readValue: (inout Canonicaliser, MemberHead) throws(BodyError) -> Void
    ) throws(BodyError) {
        let start = output.count
        var written: [(name: Range<Int>, all: Range<Int>)] = []
        try object(withCommas: false) { (self: inout Canonicaliser, head) throws(BodyError) in
            try readValue(&self, head)
            let end = self.output.count - start
            let name = head.canonical.lowerBound - start..<head.canonical.upperBound - start
            written.append((name, name.lowerBound..<end))
        }
        let text = Array(output[start...])
        written.sort { text[$0.name].lexicographicallyPrecedes(text[$1.name]) }
        output.removeSubrange(start...)
        output.append(UInt8(ascii: "{"))
        for (position, member) in written.enumerated() {
            if position > 0 { output.append(UInt8(ascii: ",")) }
            output.append(contentsOf: text[member.all])
        }
        output.append(UInt8(ascii: "}"))
    }

    struct MemberHead {
        let token: JSONScanner.StringToken
        /// The opening quote of the name, in the caller's bytes.
        let source: Int
        /// The name with its quotes, in `output`.
        let canonical: Range<Int>
    }

    /// Reads an object; `readValue` is called with the cursor on each value, after `"name":` was written.
    ///
    /// Commas between members are left to the caller where it moves the members about.
    private mutating func object(
        withCommas: Bool,
        _ readValue: (inout Canonicaliser, MemberHead) throws(BodyError) -> Void
    ) throws(BodyError) {
        try enter()
        scanner.index += 1
        let firstName = openNames.count
        let firstNameByte = names.count
        scanner.skipSpace()
        if scanner.current == UInt8(ascii: "}") {
            scanner.index += 1
        } else {
            while true {
                let head = try memberHead(since: firstName)
                try readValue(&self, head)
                scanner.skipSpace()
                if scanner.current == UInt8(ascii: ",") {
                    scanner.index += 1
                    scanner.skipSpace()
                    if withCommas { output.append(UInt8(ascii: ",")) }
                } else {
                    try scanner.expect(UInt8(ascii: "}"), "',' or '}'")
                    break
                }
            }
        }
        try refuseDuplicates(since: firstName)
        openNames.removeSubrange(firstName...)
        names.removeSubrange(firstNameByte...)
        depth -= 1
    }

    private mutating func memberHead(since firstName: Int) throws(BodyError) -> MemberHead {
        let source = scanner.index
        let token = try scanner.scanString()
        let start = output.count
        output.append(UInt8(ascii: "\""))
        JSONString.appendCanonical(token, of: scanner.bytes, to: &output)
        let nameStart = names.count
        names.append(contentsOf: output[(start + 1)...])
        openNames.append(nameStart..<names.count)
        output.append(UInt8(ascii: "\""))
        let canonical = start..<output.count
        scanner.skipSpace()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        output.append(UInt8(ascii: ":"))
        scanner.skipSpace()
        // Objects of many members are checked once at their end, by sorting; few are compared as they come.
        if openNames.count - firstName <= Self.comparedAsTheyCome {
            for earlier in openNames[firstName..<openNames.count - 1]
            where names[earlier].elementsEqual(names[nameStart...]) {
                throw .duplicateMember(at: source)
            }
        }
        return MemberHead(token: token, source: source, canonical: canonical)
    }

    private static let comparedAsTheyCome = 16

    private func refuseDuplicates(since firstName: Int) throws(BodyError) {
        guard openNames.count - firstName > Self.comparedAsTheyCome else { return }
        let sorted = openNames[firstName...].sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        for (one, next) in zip(sorted, sorted.dropFirst()) where names[one].elementsEqual(names[next]) {
            throw .duplicateMember(at: scanner.index)
        }
    }

    private mutating func array(_ readElement: (inout Canonicaliser) throws(BodyError) -> Void) throws(BodyError) {
        try enter()
        scanner.index += 1
        output.append(UInt8(ascii: "["))
        scanner.skipSpace()
        if scanner.current == UInt8(ascii: "]") {
            scanner.index += 1
        } else {
            while true {
                try readElement(&self)
                scanner.skipSpace()
                if scanner.current == UInt8(ascii: ",") {
                    scanner.index += 1
                    output.append(UInt8(ascii: ","))
                    scanner.skipSpace()
                } else {
                    try scanner.expect(UInt8(ascii: "]"), "',' or ']'")
                    break
                }
            }
        }
        output.append(UInt8(ascii: "]"))
        depth -= 1
    }

    private mutating func value() throws(BodyError) {
        switch scanner.current {
        case UInt8(ascii: "{"): try keptObject()
        case UInt8(ascii: "["): try array { (self: inout Canonicaliser) throws(BodyError) in try self.value() }
        case UInt8(ascii: "\""):
            let token = try scanner.scanString()
            output.append(UInt8(ascii: "\""))
            JSONString.appendCanonical(token, of: scanner.bytes, to: &output)
            output.append(UInt8(ascii: "\""))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            output.append(contentsOf: scanner.bytes[try number()])
        default:
            output.append(contentsOf: scanner.bytes[try scanner.scanLiteral()])
        }
    }

    private mutating func number() throws(BodyError) -> Range<Int> {
        let range = try scanner.scanNumber()
        guard CanonicalNumber.isFinite(scanner.bytes[range]) else { throw .nonFiniteNumber(at: range.lowerBound) }
        return range
    }

    private mutating func enter() throws(BodyError) {
        depth += 1
        guard depth <= JSONScanner.depthMax else { throw .depthMax(at: scanner.index) }
    }
}
