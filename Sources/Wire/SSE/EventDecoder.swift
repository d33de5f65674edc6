/// One event of a stream: what came, and what it says.
public struct ServerSentEvent: Hashable, Sendable {
    /// The event as it came, its blank line included, comments left out.
    public let raw: [UInt8]
    /// The text of its `data` lines, joined with line feeds (WHATWG HTML, 9.2.6).
    public let data: [UInt8]
    /// Where `data` stands in `raw`, when it is one unbroken piece.
    public let dataPlace: Range<Int>?
    /// The value of its `event` line.
    public let name: String?
    /// What stands in a line `error: …`, which no standard knows and some providers send.
    public let errorLine: [UInt8]?
}

/// Cuts a stream of bytes into events, wherever the pieces are split.
///
/// Lines end with CR LF, LF or CR. Comments and blank lines between events are keep-alives: counted, dropped. Holds
/// at most one event, of at most `eventSizeMax` bytes. O(bytes).
public struct EventDecoder: Sendable {
    public enum DecodingError: Error, Hashable, Sendable {
        /// One event is larger than `eventSizeMax`.
        case eventTooLarge
    }

    private let eventSizeMax: Int
    private var buffer: [UInt8] = []
    /// Where the line that is being read begins.
    private var lineStart = 0
    private var index = 0
    private var event = PendingEvent()
    /// Keep-alives since the stream began.
    public private(set) var keepAliveCount = 0

    public init(eventSizeMax: Int) {
        self.eventSizeMax = eventSizeMax
    }

    private struct PendingEvent {
        var raw: [UInt8] = []
        var data: [UInt8]?
        var dataPlace: Range<Int>?
        var name: String?
        var errorLine: [UInt8]?
    }

    /// Takes the next bytes and returns the events that they complete.
    public mutating func feed(_ bytes: some Sequence<UInt8>) throws(DecodingError) -> [ServerSentEvent] {
        buffer.append(contentsOf: bytes)
        var events: [ServerSentEvent] = []
        while let ended = nextLine(isLast: false) { take(line: ended, into: &events) }
        buffer.removeSubrange(..<lineStart)
        index -= lineStart
        lineStart = 0
        guard buffer.count + event.raw.count <= eventSizeMax else { throw .eventTooLarge }
        return events
    }

    /// The stream has ended: returns what was left without its blank line, if anything.
    public mutating func finish() -> ServerSentEvent? {
        var events: [ServerSentEvent] = []
        while let ended = nextLine(isLast: true) { take(line: ended, into: &events) }
        if lineStart < buffer.count {
            take(line: (lineStart..<buffer.count, buffer.count), into: &events)
        }
        if let event = events.first { return event }
        return event.raw.isEmpty ? nil : complete()
    }

    /// The next whole line (its text, and where the next one begins), or nil.
    private mutating func nextLine(isLast: Bool) -> (text: Range<Int>, end: Int)? {
        while index < buffer.count {
            let byte = buffer[index]
            if byte == 0x0A { return (lineStart..<index, index + 1) }
            if byte == 0x0D {
                // A line feed may follow in the bytes to come: only then is it known where the line ends.
                guard index + 1 < buffer.count || isLast else { return nil }
                let hasLineFeed = index + 1 < buffer.count && buffer[index + 1] == 0x0A
                return (lineStart..<index, index + (hasLineFeed ? 2 : 1))
            }
            index += 1
        }
        return nil
    }

    private mutating func take(line: (text: Range<Int>, end: Int), into events: inout [ServerSentEvent]) {
        let raw = lineStart..<line.end
        lineStart = line.end
        index = line.end
        if line.text.isEmpty {
            guard !event.raw.isEmpty else {
                keepAliveCount += 1
                return
            }
            event.raw.append(contentsOf: buffer[raw])
            events.append(complete())
            return
        }
        if buffer[line.text.lowerBound] == UInt8(ascii: ":") {
            keepAliveCount += 1
            return
        }
        readField(line.text, rawStart: event.raw.count)
        event.raw.append(contentsOf: buffer[raw])
    }

    private mutating func readField(_ text: Range<Int>, rawStart: Int) {
        let colon = buffer[text].firstIndex(of: UInt8(ascii: ":")) ?? text.upperBound
        var valueStart = min(colon + 1, text.upperBound)
        if valueStart < text.upperBound, buffer[valueStart] == 0x20 { valueStart += 1 }
        let value = valueStart..<text.upperBound
        switch String(decoding: buffer[text.lowerBound..<colon], as: UTF8.self) {
        case "data":
            let place = rawStart + valueStart - text.lowerBound
            if event.data != nil {
                event.data?.append(0x0A)
                event.data?.append(contentsOf: buffer[value])
                event.dataPlace = nil
            } else {
                event.data = Array(buffer[value])
                event.dataPlace = place..<place + value.count
            }
        case "event": event.name = String(decoding: buffer[value], as: UTF8.self)
        case "error": event.errorLine = Array(buffer[value])
        default: break
        }
    }

    private mutating func complete() -> ServerSentEvent {
        defer { event = PendingEvent() }
        return ServerSentEvent(
            raw: event.raw, data: event.data ?? [], dataPlace: event.dataPlace, name: event.name,
            errorLine: event.errorLine)
    }
}
