/// Where a value stands, which says whose members are sorted.
enum CanonicalPlace: UInt8 {
    /// The members of objects keep their order, numbers their spelling.
    case kept
    case top, topValue
    case messages, message
    case contentParts, toolCalls, toolCall
    /// An object whose members are sorted and whose values are kept: a content part, a call's function.
    case leaf

    var sorts: Bool {
        switch self {
        case .top, .message, .toolCall, .leaf: true
        case .kept, .topValue, .messages, .contentParts, .toolCalls: false
        }
    }

    var hasExactNumbers: Bool { self == .topValue || self == .messages }

    /// The place of this array's elements.
    var element: CanonicalPlace {
        switch self {
        case .messages: .message
        case .contentParts: .leaf
        case .toolCalls: .toolCall
        case .kept, .top, .topValue, .message, .toolCall, .leaf: .kept
        }
    }

    /// The place of a member's value, where this is the place of its object.
    @inline(__always)
    func value(of member: CanonicalMember, in text: borrowing Scratch) -> CanonicalPlace {
        switch self {
        case .top: return member.known == .messages ? .messages : .topValue
        case .message:
            if member.isNamed("content", in: text) { return .contentParts }
            return member.isNamed("tool_calls", in: text) ? .toolCalls : .kept
        case .toolCall: return member.isNamed("function", in: text) ? .leaf : .kept
        case .kept, .topValue, .messages, .contentParts, .toolCalls, .leaf: return .kept
        }
    }
}
