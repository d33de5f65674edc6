import SamovarCore

/// An embeddings answer, as places in its bytes. Vectors are passed over, not read: they are most of the answer.
struct EmbeddingAnswer {
    /// One vector with what it says of itself.
    struct Element {
        let place: Range<Int>
        /// Where its `index` stands, and what that is.
        var index: (place: Range<Int>, number: Int)?
        var hasVector = false
    }

    let bytes: [UInt8]
    /// Where the value of `data` stands.
    private(set) var data: Range<Int>?
    private(set) var elements: [Element] = []
    private var usagePlace: Range<Int>?
    private var modelPlace: Range<Int>?
    private var errorPlace: Range<Int>?
    /// A member of which we read has come twice: what holds then is anybody's guess.
    private(set) var isAmbiguous = false

    /// One pass, O(bytes), no allocation but for the places.
    ///
    /// - Throws: where it is no JSON object.
    init(_ bytes: [UInt8]) throws(BodyError) {
        self.bytes = bytes
        // Aside, as the scan borrows the bytes of `self`.
        var places = Places()
        try JSONScanner.scan(bytes) { scanner throws(BodyError) in
            scanner.allowsHalfSurrogates = true
            scanner.skipSpace()
            try scanner.eachMember { name, scanner throws(BodyError) in try places.member(name, &scanner) }
            scanner.skipSpace()
            guard scanner.index == scanner.end else {
                throw .unexpected("the text goes on after its value", at: scanner.index)
            }
        }
        (data, elements, isAmbiguous) = (places.data, places.elements, places.isAmbiguous)
        (usagePlace, modelPlace, errorPlace) = (places.usage, places.model, places.error)
    }

    /// The error that it is, under status 200; nil: it is none.
    var error: JSONValue? { value(at: errorPlace).flatMap { $0.isNull ? nil : $0 } }
    var usage: Usage? { value(at: usagePlace).flatMap(Usage.init) }
    var model: String? { value(at: modelPlace)?.text }

    private func value(at place: Range<Int>?) -> JSONValue? {
        place.flatMap { try? JSONValue(parsing: Array(bytes[$0])) }
    }

    /// Whether its data are a vector for each of so many inputs, each with its place among them, in their order.
    func fits(inputCount: Int) -> Bool {
        !isAmbiguous && elements.count == inputCount
            && elements.enumerated().allSatisfy { $1.hasVector && $1.index?.number == $0 }
    }

    /// Where the whole numbers of `usage` stand that are not negative, at whatever depth, and what they are.
    var counts: [(place: Range<Int>, number: Int)] {
        guard let usagePlace else { return [] }
        var counts: [(place: Range<Int>, number: Int)] = []
        // It was read once and found to be JSON.
        _ = try? JSONScanner.scan(bytes) { scanner throws(BodyError) in
            scanner.allowsHalfSurrogates = true
            scanner.index = usagePlace.lowerBound
            try scanner.eachCount { counts.append(($0, $1)) }
        }
        return counts
    }

    private struct Places {
        var data, usage, model, error: Range<Int>?
        var elements: [Element] = []
        var isAmbiguous = false

        mutating func member(_ name: Slice<UnsafeBufferPointer<UInt8>>, _ scanner: inout JSONScanner) throws(BodyError)
        {
            let start = scanner.index
            if name.elementsEqual("data".utf8) {
                isAmbiguous = isAmbiguous || data != nil
                guard scanner.current == UInt8(ascii: "[") else {
                    _ = try scanner.skipValue()
                    return
                }
                try scanner.eachElement { scanner throws(BodyError) in try element(&scanner) }
                data = data ?? start..<scanner.index
                return
            }
            let value = try scanner.skipValue()
            if name.elementsEqual("usage".utf8) { note(value, in: \.usage) }
            if name.elementsEqual("model".utf8) { note(value, in: \.model) }
            if name.elementsEqual("error".utf8) { note(value, in: \.error) }
        }

        private mutating func note(_ value: Range<Int>, in place: WritableKeyPath<Places, Range<Int>?>) {
            isAmbiguous = isAmbiguous || self[keyPath: place] != nil
            self[keyPath: place] = self[keyPath: place] ?? value
        }

        private mutating func element(_ scanner: inout JSONScanner) throws(BodyError) {
            let start = scanner.index
            var index: (place: Range<Int>, number: Int)?
            var hasVector = false
            var isAmbiguous = false
            if scanner.current == UInt8(ascii: "{") {
                try scanner.eachMember { name, scanner throws(BodyError) in
                    let first = scanner.current
                    let value = try scanner.skipValue()
                    if name.elementsEqual("index".utf8) {
                        isAmbiguous = isAmbiguous || index != nil
                        index = scanner.whole(at: value).map { (value, $0) }
                    } else if name.elementsEqual("embedding".utf8) {
                        isAmbiguous = isAmbiguous || hasVector
                        hasVector = first == UInt8(ascii: "[") || first == UInt8(ascii: "\"")
                    }
                }
            } else {
                _ = try scanner.skipValue()
            }
            self.isAmbiguous = self.isAmbiguous || isAmbiguous
            elements.append(Element(place: start..<scanner.index, index: index, hasVector: hasVector))
        }
    }
}

extension JSONScanner {
    /// Reads the object at the cursor. `member` is told each name as it is spelled, with the cursor on its value, and
    /// reads the value.
    fileprivate mutating func eachMember(
        _ member: (Slice<UnsafeBufferPointer<UInt8>>, inout JSONScanner) throws(BodyError) -> Void
    ) throws(BodyError) {
        try expect(UInt8(ascii: "{"), "an object")
        skipSpace()
        if current == UInt8(ascii: "}") {
            index += 1
            return
        }
        while true {
            let name = try scanString().range
            skipSpace()
            try expect(UInt8(ascii: ":"), "':'")
            skipSpace()
            try member(bytes[name], &self)
            skipSpace()
            guard current == UInt8(ascii: ",") else { break }
            index += 1
            skipSpace()
        }
        try expect(UInt8(ascii: "}"), "',' or '}'")
    }

    /// Reads the array at the cursor. `element` reads one element, at the cursor.
    fileprivate mutating func eachElement(
        _ element: (inout JSONScanner) throws(BodyError) -> Void
    ) throws(BodyError) {
        try expect(UInt8(ascii: "["), "an array")
        skipSpace()
        if current == UInt8(ascii: "]") {
            index += 1
            return
        }
        while true {
            try element(&self)
            skipSpace()
            guard current == UInt8(ascii: ",") else { break }
            index += 1
            skipSpace()
        }
        try expect(UInt8(ascii: "]"), "',' or ']'")
    }

    /// Reads the value at the cursor and tells of each whole number in it that is not negative.
    fileprivate mutating func eachCount(_ count: (Range<Int>, Int) -> Void) throws(BodyError) {
        switch current {
        case UInt8(ascii: "{"): try eachMember { _, scanner throws(BodyError) in try scanner.eachCount(count) }
        case UInt8(ascii: "["): try eachElement { scanner throws(BodyError) in try scanner.eachCount(count) }
        default:
            let value = try skipValue()
            if let number = whole(at: value), number >= 0 { count(value, number) }
        }
    }

    /// The whole number that stands there; nil where it is none, or does not fit.
    fileprivate func whole(at place: Range<Int>) -> Int? {
        Int(String(decoding: bytes[place], as: UTF8.self))
    }
}
