import Foundation

/// A JSON value whose members can be asked for without asking first whether they are there.
struct JSON: @unchecked Sendable {
    private let value: Any?

    init(_ bytes: [UInt8]) { value = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) }
    init(_ text: String) { self.init(Array(text.utf8)) }
    private init(value: Any?) { self.value = value }

    subscript(name: String) -> JSON { JSON(value: (value as? [String: Any])?[name]) }
    subscript(index: Int) -> JSON {
        let elements = value as? [Any] ?? []
        return JSON(value: elements.indices.contains(index) ? elements[index] : nil)
    }

    /// Whether there is a value, be it null.
    var exists: Bool { value != nil }
    var isNull: Bool { value is NSNull }
    var string: String? { value as? String }
    var int: Int? { (value as? NSNumber)?.intValue }
    var double: Double? { (value as? NSNumber)?.doubleValue }
    var elements: [JSON] { (value as? [Any] ?? []).map { JSON(value: $0) } }
    var members: [String: JSON] { (value as? [String: Any] ?? [:]).mapValues { JSON(value: $0) } }
}

/// One event of a stream.
struct StreamEvent: Sendable {
    let data: String
    var json: JSON { JSON(data) }
    var isDone: Bool { data == "[DONE]" }

    /// Those that have come to their blank line. Comments are none.
    static func all(in text: String) -> [StreamEvent] {
        let blocks = text.replacingOccurrences(of: "\r\n", with: "\n").components(separatedBy: "\n\n").dropLast()
        return blocks.compactMap { block in
            let lines = block.split(separator: "\n").filter { $0.hasPrefix("data:") }
            guard !lines.isEmpty else { return nil }
            let data = lines.map { $0.dropFirst(5).drop { $0 == " " } }.joined(separator: "\n")
            return StreamEvent(data: data)
        }
    }
}
