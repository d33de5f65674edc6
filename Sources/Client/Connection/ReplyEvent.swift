import SamovarWire

/// What happened to a request. Every request has exactly one event that is its end.
enum ReplyEvent: Hashable, Sendable {
    /// A stream begins. `window` is how many bytes of it may come ahead of its reader.
    case began(SamovarClient.Origin, window: Int)
    case piece([UInt8], endsEvent: Bool)
    /// The end of a stream.
    case ended
    case answer(SamovarClient.Answer)
    case done(Done)
    case text([UInt8])
    case pong
    case failed(SamovarClient.Failure)

    var isEnd: Bool {
        switch self {
        case .began, .piece: false
        case .ended, .answer, .done, .text, .pong, .failed: true
        }
    }
}

/// What one event of a connection leads to: bytes to be sent, and news for those who asked.
struct ClientTurn {
    struct News: Hashable {
        let id: UInt64
        let event: ReplyEvent
    }

    var output: [UInt8] = []
    /// In the order in which they happened.
    var news: [News] = []

    mutating func tell(_ id: UInt64, _ event: ReplyEvent) { news.append(News(id: id, event: event)) }
}
