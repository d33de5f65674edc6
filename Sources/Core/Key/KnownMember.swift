/// The members of a body's top object that we read ourselves.
enum KnownMember: UInt8 {
    case messages
    case model, stream, streamOptions, cache
    case temperature, choices, tools, functions
    case store, background, previousResponse, conversation

    /// Those that never make two requests different: how the answer is delivered, and what is meant for us.
    var isLeftOut: Bool { self == .stream || self == .streamOptions || self == .cache }

    /// The one of this name, if we know it. O(1): names are told apart by their length first.
    init?(_ member: CanonicalMember, in text: borrowing Scratch) {
        switch member.name.count - 2 {
        case 1 where member.isNamed("n", in: text): self = .choices
        case 5 where member.isNamed("model", in: text): self = .model
        case 5 where member.isNamed("cache", in: text): self = .cache
        case 5 where member.isNamed("tools", in: text): self = .tools
        case 5 where member.isNamed("store", in: text): self = .store
        case 6 where member.isNamed("stream", in: text): self = .stream
        case 8 where member.isNamed("messages", in: text): self = .messages
        case 9 where member.isNamed("functions", in: text): self = .functions
        case 10 where member.isNamed("background", in: text): self = .background
        case 11 where member.isNamed("temperature", in: text): self = .temperature
        case 12 where member.isNamed("conversation", in: text): self = .conversation
        case 14 where member.isNamed("stream_options", in: text): self = .streamOptions
        case 20 where member.isNamed("previous_response_id", in: text): self = .previousResponse
        default: return nil
        }
    }
}
