import SamovarCore

/// Takes requests out of the bytes of one connection, one after the other, and refuses what must not be answered.
///
/// Pure: it neither keeps bytes nor owns any, and is given those again that it did not say are done. The only reader
/// of requests on the data port, so that nobody there can disagree with it on where one ends.
public struct RequestDecoder: Sendable {
    /// What the bytes bring next.
    public enum Step: Sendable {
        /// Nothing: more bytes are needed. The first `done` of those given need not be given again.
        case more(done: Int)
        /// The caller waits for leave to send its body; otherwise as `more`.
        case sayContinue(done: Int)
        /// A request is whole, and its body stands in the bytes as it is. `done` bytes belong to it; what follows is
        /// the next one's.
        case request(HeadFields, body: Range<Int>, done: Int)
        /// A request is whole whose body came in chunks.
        case gathered(RequestHead, body: [UInt8], done: Int)
        /// This must be told, and nothing that follows be read.
        case refuse(ErrorReply)
    }

    /// Where a connection is, for whoever watches how fast it sends.
    public enum Progress: Hashable, Sendable {
        case nothing
        case head
        case body
    }

    private enum Phase {
        case head
        case length(HeadFields, Int, saidContinue: Bool)
        case chunks(RequestHead, ChunkedBody, saidContinue: Bool)
        case refused
    }

    private let rules: RequestRules
    private let limits: HeadParser.Limits
    private var parser: HeadParser
    private var phase = Phase.head
    private var hasPart = false
    /// The Host that was last found to be answered to: a connection says the same one each time.
    private var knownHost: [UInt8] = []

    public init(rules: RequestRules, limits: HeadParser.Limits) {
        self.rules = rules
        self.limits = limits
        parser = HeadParser(limits: limits)
    }

    public var progress: Progress {
        switch phase {
        case .head: hasPart ? .head : .nothing
        case .length, .chunks: .body
        case .refused: .nothing
        }
    }

    /// Goes on from `start`.
    ///
    /// - Parameter bytes: those from `start` on begin with what the last step did not say is done.
    public mutating func next(_ bytes: Span<UInt8>, from start: Int) -> Step {
        do throws(ErrorReply) {
            return try advance(bytes, start)
        } catch {
            phase = .refused
            return .refuse(error)
        }
    }

    private mutating func advance(_ bytes: Span<UInt8>, _ start: Int) throws(ErrorReply) -> Step {
        switch phase {
        case .head: try head(bytes, start)
        case .length(let fields, let length, let saidContinue):
            lengthBody(fields, length, saidContinue, bytes, start)
        case .chunks(let head, let chunks, let saidContinue):
            try chunkedBody(head, chunks, saidContinue, bytes, start, from: start)
        case .refused: .more(done: bytes.count - start)
        }
    }

    private mutating func head(_ bytes: Span<UInt8>, _ start: Int) throws(ErrorReply) -> Step {
        let fields: HeadFields
        do throws(HeadParser.Fault) {
            guard let whole = try parser.parse(bytes, from: start) else {
                let passedOver = parser.takePassedOver(bytes, from: start)
                hasPart = bytes.count - start > passedOver
                return .more(done: passedOver)
            }
            fields = whole
        } catch {
            throw ErrorReply(error, limits)
        }
        hasPart = false
        let framing = try framing(of: fields, bytes, start)
        switch framing {
        case .length(let length, let expectsContinue):
            return lengthBody(fields, length, !expectsContinue, bytes, start)
        case .chunked(let head, let expectsContinue):
            let chunks = ChunkedBody(
                limits: .init(bodySizeMax: rules.limits.bodySizeMax, trailerSizeMax: limits.headerSizeMax))
            return try chunkedBody(head, chunks, !expectsContinue, bytes, start, from: start + fields.byteCount)
        }
    }

    // MARK: Bodies

    private enum Framing {
        case length(Int, expectsContinue: Bool)
        case chunked(RequestHead, expectsContinue: Bool)
    }

    /// Whoever has begun to send its body needs no leave.
    private mutating func lengthBody(
        _ fields: HeadFields, _ length: Int, _ saidContinue: Bool, _ bytes: Span<UInt8>, _ start: Int
    ) -> Step {
        let bodyStart = start + fields.byteCount
        guard bytes.count - bodyStart < length else {
            phase = .head
            return .request(fields, body: bodyStart..<bodyStart + length, done: fields.byteCount + length)
        }
        phase = .length(fields, length, saidContinue: true)
        return !saidContinue && bytes.count == bodyStart ? .sayContinue(done: 0) : .more(done: 0)
    }

    private mutating func chunkedBody(
        _ head: RequestHead, _ chunks: ChunkedBody, _ saidContinue: Bool, _ bytes: Span<UInt8>, _ start: Int,
        from first: Int
    ) throws(ErrorReply) -> Step {
        var chunks = chunks
        // Until the request is whole nobody else may hold the body, or each piece would copy it.
        phase = .refused
        let end: Int
        do throws(ChunkedBody.Fault) {
            end = try chunks.read(bytes, from: first)
        } catch {
            throw ErrorReply(error, rules)
        }
        guard !chunks.isWhole else {
            phase = .head
            return .gathered(head, body: chunks.body, done: end - start)
        }
        let asks = !saidContinue && end == first
        phase = .chunks(head, chunks, saidContinue: true)
        return asks ? .sayContinue(done: end - start) : .more(done: end - start)
    }

    // MARK: Rules

    /// How the body is framed, once it is sure that the request may be answered.
    private mutating func framing(
        of fields: HeadFields, _ bytes: Span<UInt8>, _ start: Int
    ) throws(ErrorReply) -> Framing {
        if let length = ordinaryLength(fields, bytes, start) { return .length(length, expectsContinue: false) }
        // Anything out of the ordinary is judged with care and at leisure.
        let head = RequestHead(fields, in: bytes, from: start)
        let expectsContinue: Bool
        switch rules.judge(head) {
        case .read: expectsContinue = false
        case .sayContinue: expectsContinue = true
        case .refuse(let error): throw error
        }
        if !fields.isRepeated(.host), !fields[.origin].isThere, fields[.host].isThere {
            knownHost = bytes.array(fields[.host], from: start)
        }
        if fields[.transferEncoding].isThere { return .chunked(head, expectsContinue: expectsContinue) }
        let length = head.value("content-length").flatMap { Int($0) } ?? 0
        return .length(length, expectsContinue: expectsContinue)
    }

    /// The length of the body of a request like nearly all: one Host, which was answered to before on this
    /// connection, one plain length or none, and nothing else that has a say. Nil: it takes a closer look.
    private func ordinaryLength(_ fields: HeadFields, _ bytes: Span<UInt8>, _ start: Int) -> Int? {
        guard rules.accessToken == nil, !fields[.origin].isThere, !fields[.expect].isThere,
            !fields[.transferEncoding].isThere, !fields[.contentEncoding].isThere
        else { return nil }
        guard !knownHost.isEmpty, !fields.isRepeated(.host), !fields.isRepeated(.contentLength),
            bytes.holds(knownHost, at: fields[.host], from: start), bytes.isPath(fields.target, from: start)
        else { return nil }
        guard fields[.contentLength].isThere else { return 0 }
        return bytes.decimal(fields[.contentLength], from: start, max: rules.limits.bodySizeMax)
    }
}

extension Span<UInt8> {
    func array(_ place: HeadFields.Place, from start: Int) -> [UInt8] {
        extracting(start + place.range.lowerBound..<start + place.range.upperBound).withUnsafeBufferPointer {
            Array($0)
        }
    }

    fileprivate func holds(_ expected: [UInt8], at place: HeadFields.Place, from start: Int) -> Bool {
        guard Int(place.count) == expected.count else { return false }
        for offset in 0..<expected.count where self[start + Int(place.start) + offset] != expected[offset] {
            return false
        }
        return true
    }

    fileprivate func isPath(_ place: HeadFields.Place, from start: Int) -> Bool {
        let first = start + Int(place.start)
        return self[first] == 0x2F && (place.count == 1 || self[first + 1] != 0x2F)
    }

    /// A plain decimal number up to `max`; nil for anything else.
    fileprivate func decimal(_ place: HeadFields.Place, from start: Int, max: Int) -> Int? {
        guard place.count > 0, place.count <= 10 else { return nil }
        var value = 0
        for index in place.range {
            guard self[start + index].isDigitByte else { return nil }
            value = value * 10 + Int(self[start + index] - 0x30)
        }
        return value <= max ? value : nil
    }
}

extension ErrorReply: Error {}

extension ErrorReply {
    fileprivate init(_ fault: HeadParser.Fault, _ limits: HeadParser.Limits) {
        switch fault {
        case .notHTTP: self.init(status: 400, message: "not a valid HTTP/1.1 request", code: "framing")
        case .method: self.init(status: 501, message: "this method is not known here", code: "method")
        case .version:
            self.init(status: 505, message: "only HTTP/1.1 and HTTP/1.0 are spoken here", code: "http_version")
        case .tooLarge:
            self.init(
                status: 431, message: "the headers are larger than header_size_max (\(limits.headerSizeMax) bytes)",
                code: "header_size_max")
        case .tooMany:
            self.init(
                status: 431, message: "more than header_count_max (\(limits.headerCountMax)) headers",
                code: "header_count_max")
        }
    }

    fileprivate init(_ fault: ChunkedBody.Fault, _ rules: RequestRules) {
        switch fault {
        case .framing: self.init(status: 400, message: "the body's chunks are not valid", code: "framing")
        case .padding: self.init(status: 400, message: "the body is nearly all framing", code: "framing")
        case .tooLarge: self = rules.tooLarge
        }
    }

    private init(status: Int, message: String, code: String) {
        self.init(status: status, message: message, type: "invalid_request_error", code: code)
    }
}
