import SamovarCore

/// Which of several inputs a provider refuses, where it says so.
///
/// It says so in `param` (`input[3]`, `input.3`, `$.input[3]`), or in the places that FastAPI names
/// (`"loc": ["body", "input", 3]`). What stands in a message is not looked at: it may be a caller's own words.
struct EmbeddingRefusal {
    /// The first that is named.
    let index: Int
    private let value: JSONValue
    private let refusal: Failure.Refusal

    /// Nil: it refuses none of them by name, or is not about what was asked. O(bytes).
    init?(_ refusal: Failure.Refusal, inputCount: Int) {
        guard [400, 413, 422].contains(refusal.status), let value = try? JSONValue(parsing: refusal.body),
            let index = Self.index(in: value), index < inputCount
        else { return nil }
        self.index = index
        self.value = value
        self.refusal = refusal
    }

    private static func index(in value: JSONValue) -> Int? {
        let error = value["error"] ?? value
        if let param = (error["param"] ?? value["param"])?.text { return place(in: Array(param.utf8))?.index }
        for detail in (value["detail"] ?? error["detail"])?.elements ?? [] {
            if let index = place(in: detail["loc"]?.elements ?? []) { return index }
        }
        return nil
    }

    /// The refusal as the one would have had it whose input it is, had it asked alone.
    ///
    /// - Parameter isArray: whether it spelled its input as an array of one.
    func alone(isArray: Bool) -> Failure.Refusal {
        Failure.Refusal(
            status: refusal.status, contentType: refusal.contentType, body: alone(value, isArray: isArray).bytes,
            retryAfter: refusal.retryAfter)
    }

    private func alone(_ value: JSONValue, isArray: Bool) -> JSONValue {
        guard case .object(let members) = value else { return value }
        return .object(
            members.map { member in
                var member = member
                if member.isNamed("error") {
                    member.value = alone(member.value, isArray: isArray)
                } else if member.isNamed("param") || member.isNamed("message"), case .string(let text) = member.value {
                    member.value = .string(Self.alone(text, index, isArray: isArray))
                } else if member.isNamed("detail"), case .array(let details) = member.value {
                    member.value = .array(details.map { Self.alone(detail: $0, index) })
                }
                return member
            })
    }

    // MARK: Places

    /// `input[3]` or `input.3`, in the middle of a text or as all of it.
    private static func place(in text: [UInt8]) -> (range: Range<Int>, index: Int)? {
        let name = Array("input".utf8)
        var start = text.startIndex
        while start + name.count < text.endIndex {
            defer { start += 1 }
            guard text[start...].starts(with: name), start == 0 || !text[start - 1].isWord else { continue }
            let mark = start + name.count
            let digits = text[(mark + 1)...].prefix { $0 &- UInt8(ascii: "0") < 10 }
            guard let index = Int(String(decoding: digits, as: UTF8.self)) else { continue }
            switch text[mark] {
            case UInt8(ascii: "["):
                guard digits.endIndex < text.endIndex, text[digits.endIndex] == UInt8(ascii: "]") else { continue }
                return (start..<digits.endIndex + 1, index)
            case UInt8(ascii: "."):
                guard digits.endIndex == text.endIndex || !text[digits.endIndex].isWord else { continue }
                return (start..<digits.endIndex, index)
            default: continue
            }
        }
        return nil
    }

    private static func place(in location: [JSONValue]) -> Int? {
        guard let name = location.firstIndex(of: .plain("input")), name + 1 < location.count else { return nil }
        return location[name + 1].integer.flatMap { $0 >= 0 ? $0 : nil }
    }

    /// The text with the place of the input, wherever it is named, as the caller knows it.
    private static func alone(_ text: [UInt8], _ index: Int, isArray: Bool) -> [UInt8] {
        var output: [UInt8] = []
        var rest = text
        while let place = place(in: rest) {
            output += rest[..<place.range.lowerBound]
            if place.index == index {
                let isBracketed = rest[place.range.upperBound - 1] == UInt8(ascii: "]")
                output += isArray ? (isBracketed ? "input[0]" : "input.0").utf8 : "input".utf8
            } else {
                output += rest[place.range]
            }
            rest = Array(rest[place.range.upperBound...])
        }
        return output + rest
    }

    private static func alone(detail: JSONValue, _ index: Int) -> JSONValue {
        guard case .object(var members) = detail, let position = members.firstIndex(where: { $0.isNamed("loc") }),
            case .array(var location) = members[position].value, place(in: location) == index,
            let name = location.firstIndex(of: .plain("input"))
        else { return detail }
        location[name + 1] = .literal([UInt8(ascii: "0")])
        members[position].value = .array(location)
        return .object(members)
    }
}

extension UInt8 {
    /// A letter, a digit or an underscore.
    fileprivate var isWord: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
