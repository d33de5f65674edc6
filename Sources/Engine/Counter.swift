/// One number that only grows. Read while it is written. An addition costs a thread about two nanoseconds.
public struct Counter: Sendable {
    @usableFromInline let tally: Tally
    @usableFromInline let index: Int

    public init() {
        self.init(tally: Tally(count: 1), index: 0)
    }

    @inlinable
    init(tally: Tally, index: Int) {
        self.tally = tally
        self.index = index
    }

    @inlinable
    @inline(__always)
    public func add(_ amount: Int) {
        if amount != 0 { tally.add(amount, at: index) }
    }

    public var current: Int { tally.sum(at: index) }
}

/// A counter for each case of a label.
public struct Counters<Label: CaseIterable & Hashable & Sendable>: Sendable {
    @usableFromInline let tally = Tally(count: Label.allCases.count)
    @usableFromInline let ordinals = Ordinals<Label>()

    public init() {}

    @inlinable
    public subscript(label: Label) -> Counter { Counter(tally: tally, index: ordinals[label]) }

    /// In the order of the cases, so that two scrapes read alike.
    public var all: [(label: Label, value: Int)] { Label.allCases.map { ($0, self[$0].current) } }
}

/// The place of each case among the cases. A look-up in a table by the byte that the case is.
@usableFromInline
struct Ordinals<Label: CaseIterable>: Sendable {
    @usableFromInline let places: [UInt8]

    /// - Precondition: an enumeration without payloads, of at most 256 cases: its values are a byte, or nothing.
    @usableFromInline
    init() {
        precondition(MemoryLayout<Label>.size <= 1, "a label has no payload")
        var places = [UInt8](repeating: 0, count: 256)
        for (place, label) in Label.allCases.enumerated() { places[Self.byte(of: label)] = UInt8(place) }
        self.places = places
    }

    @inlinable
    subscript(label: Label) -> Int { Int(places[Self.byte(of: label)]) }

    @inlinable
    static func byte(of label: Label) -> Int {
        withUnsafeBytes(of: label) { Int($0.first ?? 0) }
    }
}
