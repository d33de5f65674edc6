/// A text that must never be seen: it describes itself as `***` wherever it is printed by accident.
public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself, for the one place that sends it.
    public let revealed: String

    public init(_ text: String) {
        revealed = text
    }

    /// Whether they are the same text. Takes as long whether they differ early or late; only the length shows.
    public func isSame(as other: Secret) -> Bool {
        let (left, right) = (Array(revealed.utf8), Array(other.revealed.utf8))
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
