import NIOCore
import NIOHTTP1

/// What one answer sends, and when: a value that is asked "what now?" as time goes by.
///
/// Times are counted from the call's arrival. Whoever plays it sends what a passage holds, then does what it says.
enum Script: Sendable {
    case whole(WholeReply)
    case stream(StreamReply)

    mutating func play(at elapsed: TimeAmount) -> Passage {
        switch consume self {
        case .whole(var reply):
            let passage = reply.play(at: elapsed)
            self = .whole(reply)
            return passage
        case .stream(var reply):
            let passage = reply.play(at: elapsed)
            self = .stream(reply)
            return passage
        }
    }
}

/// What is to be sent at one moment.
struct Passage {
    enum Then: Equatable {
        /// Ask again at that time. One that has passed means "as soon as this has gone out".
        case resume(at: TimeAmount)
        /// The answer is complete.
        case end
        /// Close the connection: the answer is not complete and never will be.
        case cut
    }

    var head: HTTPResponseHead?
    var bytes: ByteBuffer
    var then: Then
}
