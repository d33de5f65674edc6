import SamovarCore

/// One place in which two canonical bodies differ.
public struct JSONDifference: Hashable, Sendable {
    /// Where: `messages[1].content`, `temperature`.
    public let path: String
    /// What stands there in each, spelled canonically; nil where nothing does.
    public let left: String?
    public let right: String?
}

extension JSONDifference {
    /// Where two canonical texts differ, in the left one's order, as deep down as they are alike in shape.
    ///
    /// Member order counts where the key keeps it: objects with the same members in another order differ as a whole.
    public static func between(_ left: [UInt8], _ right: [UInt8]) throws(BodyError) -> [JSONDifference] {
        var found: [JSONDifference] = []
        compare(try JSONValue(parsing: left), try JSONValue(parsing: right), at: "", into: &found)
        return found
    }

    private static func compare(
        _ left: JSONValue, _ right: JSONValue, at path: String, into found: inout [JSONDifference]
    ) {
        if left == right { return }
        switch (left, right) {
        case (.object(let one), .object(let other)) where isSameOrder(one, other):
            for member in one {
                let name = String(decoding: member.name, as: UTF8.self)
                let below = path.isEmpty ? name : "\(path).\(name)"
                if let match = other.first(where: { $0.name == member.name }) {
                    compare(member.value, match.value, at: below, into: &found)
                } else {
                    found.append(JSONDifference(path: below, left: text(member.value), right: nil))
                }
            }
            for member in other where !one.contains(where: { $0.name == member.name }) {
                let name = String(decoding: member.name, as: UTF8.self)
                found.append(
                    JSONDifference(path: path.isEmpty ? name : "\(path).\(name)", left: nil, right: text(member.value)))
            }
        case (.array(let one), .array(let other)):
            for index in 0..<max(one.count, other.count) {
                let below = "\(path)[\(index)]"
                if index < one.count, index < other.count {
                    compare(one[index], other[index], at: below, into: &found)
                } else {
                    found.append(
                        JSONDifference(
                            path: below, left: index < one.count ? text(one[index]) : nil,
                            right: index < other.count ? text(other[index]) : nil))
                }
            }
        default:
            found.append(JSONDifference(path: path, left: text(left), right: text(right)))
        }
    }

    /// Whether the members that both have stand in the same order.
    private static func isSameOrder(_ one: [JSONValue.Member], _ other: [JSONValue.Member]) -> Bool {
        let names = Set(other.map(\.name))
        let common = one.map(\.name).filter { names.contains($0) }
        let mine = Set(common)
        return common == other.map(\.name).filter { mine.contains($0) }
    }

    private static func text(_ value: JSONValue) -> String { String(decoding: value.bytes, as: UTF8.self) }
}
