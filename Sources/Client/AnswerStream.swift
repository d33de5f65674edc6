extension SamovarClient {
    /// An answer that is read as it comes. For one reader, once.
    ///
    /// The sidecar sends no more than ``Settings/windowSize`` bytes ahead of its reader. A reader that stops, or drops
    /// the stream, or whose task is cancelled, ends this request only. Where the stream ends without an error, the
    /// answer was whole.
    public struct AnswerStream: AsyncSequence, Sendable {
        public typealias Element = [UInt8]
        public typealias Failure = SamovarClient.Failure

        /// Where a stream is cut.
        public enum Pieces: Hashable, Sendable {
            /// Each element is one event, with the blank line that ends it.
            case events
            /// Elements are as many bytes as were there.
            case chunks
        }

        /// Where the answer comes from.
        public let origin: Origin

        let reading: AnswerReading
        let gathersEvents: Bool
        let window: Int
        let eventSizeMax: Int

        /// - Precondition: it is the first; a stream is read once.
        public func makeAsyncIterator() -> Iterator {
            Iterator(
                reader: Reader(reading), gathersEvents: gathersEvents, creditMin: Swift.max(1, window / 2),
                eventSizeMax: eventSizeMax)
        }

        public struct Iterator: AsyncIteratorProtocol {
            private let reader: Reader
            private let gathersEvents: Bool
            /// Credit is given back in portions of this size.
            private let creditMin: Int
            private let eventSizeMax: Int
            private var event: [UInt8] = []
            private var unreturned = 0
            private var isOver = false

            fileprivate init(reader: Reader, gathersEvents: Bool, creditMin: Int, eventSizeMax: Int) {
                self.reader = reader
                self.gathersEvents = gathersEvents
                self.creditMin = creditMin
                self.eventSizeMax = eventSizeMax
            }

            /// The next piece; nil after the last.
            public mutating func next(
                isolation: isolated (any Actor)? = #isolation
            ) async throws(SamovarClient.Failure) -> [UInt8]? {
                while !isOver {
                    switch await reader.reading.next() {
                    case .piece(let bytes, let endsEvent):
                        consumed(bytes.count)
                        if let piece = try take(bytes, endsEvent: endsEvent) { return piece }
                    case .failed(let failure):
                        isOver = true
                        throw failure
                    default:
                        isOver = true
                        // What has no blank line after it is the rest of the stream all the same.
                        return event.isEmpty ? nil : event
                    }
                }
                return nil
            }

            private mutating func take(_ bytes: [UInt8], endsEvent: Bool) throws(SamovarClient.Failure) -> [UInt8]? {
                guard gathersEvents, !endsEvent || !event.isEmpty else { return bytes }
                event += bytes
                guard event.count <= eventSizeMax else {
                    isOver = true
                    reader.reading.leave()
                    throw SamovarClient.Failure(.answerTooLarge, "an event is over answerSizeMax")
                }
                guard endsEvent else { return nil }
                defer { event = [] }
                return event
            }

            private mutating func consumed(_ byteCount: Int) {
                unreturned += byteCount
                guard unreturned >= creditMin else { return }
                reader.reading.consumed(unreturned)
                unreturned = 0
            }
        }
    }
}

/// One stream, as its reader sees it. Nobody holds it any more: the request is ended.
final class AnswerReading: Sendable {
    private let call: Call
    /// Stays for as long as somebody reads.
    private let client: SamovarClient

    init(_ call: Call, _ client: SamovarClient) {
        self.call = call
        self.client = client
    }

    deinit { leave() }

    func next(isolation: isolated (any Actor)? = #isolation) async -> ReplyEvent {
        await withTaskCancellationHandler {
            await call.next()
        } onCancel: {
            client.driver.cancel(call)
        }
    }

    func consumed(_ byteCount: Int) { client.driver.consumed(call, byteCount) }

    /// The reader wants no more. After the end this does nothing.
    func leave() {
        if !call.hasEnded { client.driver.cancel(call) }
    }
}

/// The one reader of a stream. When it goes, nobody can read on, even if the stream itself is still held.
private final class Reader: Sendable {
    let reading: AnswerReading

    init(_ reading: AnswerReading) { self.reading = reading }

    deinit { reading.leave() }
}
