import SamovarCore

/// A failure as bytes: one that says which it is, and what the case holds.
enum FailureCode {
    /// What an upstream says about its refusal, at most. A larger body is left out.
    static let bodySizeMax = 64 << 10
    /// A reason in words, at most. What is longer is cut.
    static let textSizeMax = 1 << 10

    static func append(_ failure: Failure, to bytes: inout [UInt8]) {
        switch failure {
        case .refused(let refusal): append(refusal, to: &bytes)
        case .erred(let body):
            guard body.count <= bodySizeMax else {
                return append(.malformed(reason: "the upstream reported an error in too many words"), to: &bytes)
            }
            bytes.append(Code.erred.rawValue)
            append(body, to: &bytes)
        case .unreachable(let reason): append(.unreachable, reason, to: &bytes)
        case .timedOut(let wait): append(.timedOut, wait.rawValue, to: &bytes)
        case .cut: bytes.append(Code.cut.rawValue)
        case .malformed(let reason): append(.malformed, reason, to: &bytes)
        case .tooLarge(let limit): append(.tooLarge, limit, to: &bytes)
        case .limited(let limit, let retryAfter):
            append(.limited, limit, to: &bytes)
            bytes.append(bigEndian: retryAfter.nanoseconds)
        case .lagged: bytes.append(Code.lagged.rawValue)
        case .notCached: bytes.append(Code.notCached.rawValue)
        case .deadline: bytes.append(Code.deadline.rawValue)
        case .draining: bytes.append(Code.draining.rawValue)
        }
    }

    static func read(_ reader: inout EntryReader) -> Failure? {
        guard let code = reader.number(UInt8.self).flatMap(Code.init) else { return nil }
        switch code {
        case .refused: return refusal(&reader).map(Failure.refused)
        case .erred: return reader.counted().map { .erred(body: $0) }
        case .unreachable: return reader.text().map { .unreachable(reason: $0) }
        case .timedOut: return reader.text().flatMap(Failure.Wait.init).map { .timedOut($0) }
        case .cut: return .cut
        case .malformed: return reader.text().map { .malformed(reason: $0) }
        case .tooLarge: return reader.text().map { .tooLarge(limit: $0) }
        case .limited:
            guard let limit = reader.text(), let retryAfter = reader.number(Int64.self) else { return nil }
            return .limited(limit: limit, retryAfter: .nanoseconds(retryAfter))
        case .lagged: return .lagged
        case .notCached: return .notCached
        case .deadline: return .deadline
        case .draining: return .draining
        }
    }

    private enum Code: UInt8 {
        case refused = 1
        case erred = 2
        case unreachable = 3
        case timedOut = 4
        case cut = 5
        case malformed = 6
        case tooLarge = 7
        case limited = 8
        case lagged = 9
        case notCached = 10
        case deadline = 11
        case draining = 12
    }

    // MARK: A refusal: status (u32), flags (1 has a content type, 2 has a time), type, body, time (ns)

    private static func append(_ refusal: Failure.Refusal, to bytes: inout [UInt8]) {
        let isWhole = refusal.body.count <= bodySizeMax
        let contentType = isWhole ? refusal.contentType : nil
        bytes.append(Code.refused.rawValue)
        bytes.append(bigEndian: UInt32(clamping: refusal.status))
        bytes.append((contentType == nil ? 0 : 1) | (refusal.retryAfter == nil ? 0 : 2))
        append(text: contentType ?? "", to: &bytes)
        append(isWhole ? refusal.body : [], to: &bytes)
        bytes.append(bigEndian: refusal.retryAfter?.nanoseconds ?? 0)
    }

    private static func refusal(_ reader: inout EntryReader) -> Failure.Refusal? {
        guard let status = reader.number(UInt32.self), (100...999).contains(status),
            let flags = reader.number(UInt8.self), flags <= 3, let contentType = reader.text(),
            let body = reader.counted(), let wait = reader.number(Int64.self)
        else { return nil }
        return Failure.Refusal(
            status: Int(status), contentType: flags & 1 != 0 ? contentType : nil, body: body,
            retryAfter: flags & 2 != 0 ? .nanoseconds(wait) : nil)
    }

    // MARK: Pieces

    private static func append(_ code: Code, _ text: String, to bytes: inout [UInt8]) {
        bytes.append(code.rawValue)
        append(text: text, to: &bytes)
    }

    private static func append(text: String, to bytes: inout [UInt8]) {
        append(Array(String(decoding: text.utf8.prefix(textSizeMax), as: UTF8.self).utf8), to: &bytes)
    }

    private static func append(_ counted: [UInt8], to bytes: inout [UInt8]) {
        bytes.append(bigEndian: UInt32(counted.count))
        bytes += counted
    }
}
