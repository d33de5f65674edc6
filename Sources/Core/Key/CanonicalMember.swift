// Unsafe memory: compares names in the canonical text, byte for byte (see Scratch, which keeps the bounds).

/// A member of an object, as places in the text that a `Canonicaliser` writes. Trivial: a row of integers.
struct CanonicalMember {
    /// The name with its quotes. The member's text, `"name":value`, begins with it.
    let name: Range<Int>
    /// Behind the value.
    var end: Int
    /// The same in the caller's bytes.
    var source: Source
    /// Which one it is of those that we read ourselves; nil below the top object.
    var known: KnownMember?
    /// The first eight bytes of the name behind its opening quote, the closing one counted, as a number that compares
    /// as they do; zeros behind a shorter name.
    private let head: UInt64

    struct Source {
        /// The opening quote of the name.
        let name: Int
        /// The first byte of the value.
        var value: Int
        /// Behind the value.
        var end: Int
    }

    init(name: Range<Int>, source: Int, in text: borrowing Scratch) {
        self.name = name
        self.end = name.upperBound
        self.source = Source(name: source, value: source, end: source)
        head = text.head(name.lowerBound + 1..<name.upperBound)
    }

    var range: Range<Int> { name.lowerBound..<end }
    var count: Int { end - name.lowerBound }
    /// The value in the canonical text.
    var value: Range<Int> { name.upperBound + 1..<end }

    /// Whether this name sorts before the other one: by its bytes, the closing quote counted.
    @inline(__always)
    func precedes(_ other: CanonicalMember, in text: borrowing Scratch) -> Bool {
        if head != other.head { return head < other.head }
        return text.bytes(tail).lexicographicallyPrecedes(text.bytes(other.tail))
    }

    @inline(__always)
    func hasName(of other: CanonicalMember, in text: borrowing Scratch) -> Bool {
        guard head == other.head, name.count == other.name.count else { return false }
        return text.bytes(tail).elementsEqual(text.bytes(other.tail))
    }

    /// What of the name `head` does not hold.
    private var tail: Range<Int> { min(name.lowerBound + 9, name.upperBound)..<name.upperBound }

    /// Whether its name, decoded, is this one, which needs no escapes.
    @inline(__always)
    func isNamed(_ text: StaticString, in output: borrowing Scratch) -> Bool {
        guard name.count == text.utf8CodeUnitCount + 2 else { return false }
        let bytes = output.bytes(name)
        for index in 0..<text.utf8CodeUnitCount where bytes[index + 1] != text.utf8Start[index] { return false }
        return true
    }
}
