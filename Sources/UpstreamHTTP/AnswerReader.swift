import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarEngine
import SamovarWire

/// Reads one reply of a provider while it comes, on the connection's event loop, and hands over what it says.
///
/// The client's callbacks rather than its async interface: that one starts tasks on another thread for every call,
/// which costs more than reading the answer.
final class AnswerReader: HTTPClientResponseDelegate {
    typealias Response = Void

    /// How much of a refusal's words is passed on.
    private static let refusalByteMax = 64 << 10

    private enum Phase {
        case head
        case refused(HTTPResponseHead)
        case body
        case stream
    }

    private struct State {
        var phase = Phase.head
        var bytes: [UInt8] = []
        var decoder: EventDecoder
        var streamByteCount = 0
        var keepAliveCount = 0
        /// Why it was given up, where that was our own doing.
        var failure: Failure?
    }

    private let attempt: Attempt
    private let receive: @Sendable (AttemptEvent) throws(Failure) -> Void
    private let clock = SystemClock()
    private let state: Lock<State>

    init(_ attempt: Attempt, receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void) {
        self.attempt = attempt
        self.receive = receive
        state = Lock(State(decoder: EventDecoder(eventSizeMax: attempt.limits.streamSizeMax)))
    }

    /// What came of it, once the call has ended with this error.
    func failure(after error: any Error) -> Failure {
        state.withLock { state in
            let hasBegun = if case .head = state.phase { false } else { true }
            return state.failure ?? Failure(transport: error, hasBegun: hasBegun)
        }
    }

    // MARK: The client's callbacks

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        handled(task) { state throws(Failure) in
            guard head.status == .ok else {
                state.phase = .refused(head)
                return
            }
            guard head.headers["content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
                throw .malformed(reason: "it is compressed, which was not asked for")
            }
            let form = try Self.form(of: head, asked: attempt.form)
            state.phase = form == .stream ? .stream : .body
            if let rate = rate(head) { try receive(.rate(rate)) }
            try receive(.began(form))
        }
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        handled(task) { state throws(Failure) in
            switch state.phase {
            case .head: break
            case .refused: Self.gather(buffer, into: &state.bytes, upTo: Self.refusalByteMax)
            case .body: try body(buffer, &state)
            case .stream: try stream(buffer, &state)
            }
        }
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        let outcome = state.withLock { state -> Result<Void, Failure> in
            do throws(Failure) {
                try finish(&state)
                return .success(())
            } catch {
                state.failure = error
                return .failure(error)
            }
        }
        try outcome.get()
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {}

    /// Runs one callback; a failure of ours ends the call, and the connection with it.
    private func handled(
        _ task: HTTPClient.Task<Void>, _ body: (inout State) throws(Failure) -> Void
    ) -> EventLoopFuture<Void> {
        let failure = state.withLock { state -> Failure? in
            do throws(Failure) {
                try body(&state)
                return nil
            } catch {
                state.failure = error
                return error
            }
        }
        guard let failure else { return task.eventLoop.makeSucceededVoidFuture() }
        return task.eventLoop.makeFailedFuture(failure)
    }

    // MARK: Reading

    /// What it answers in, by its content type; the form that was asked for where it names none.
    private static func form(of head: HTTPResponseHead, asked: Form) throws(Failure) -> Form {
        guard let type = head.headers.first(name: "content-type") else { return asked }
        switch type.prefix(while: { $0 != ";" }).lowercased().filter({ $0 != " " }) {
        case "text/event-stream": return .stream
        case "application/json": return .body
        default: throw .malformed(reason: "it is neither JSON nor an event stream")
        }
    }

    private static func gather(_ buffer: ByteBuffer, into bytes: inout [UInt8], upTo byteMax: Int) {
        bytes.append(contentsOf: buffer.readableBytesView.prefix(byteMax - bytes.count))
    }

    private func body(_ buffer: ByteBuffer, _ state: inout State) throws(Failure) {
        let (limit, byteMax) = attempt.limits.sizeMax(of: .body)
        var piece = buffer.readableBytesView[...]
        if state.bytes.isEmpty {
            // Blank lines before the body are how a busy provider keeps the connection open.
            piece = piece.drop { $0 == 0x0A || $0 == 0x0D || $0 == 0x20 }
            if piece.isEmpty { try receive(.keepAlive) }
        }
        guard state.bytes.count + piece.count <= byteMax else { throw .tooLarge(limit: limit) }
        state.bytes.append(contentsOf: piece)
    }

    private func stream(_ buffer: ByteBuffer, _ state: inout State) throws(Failure) {
        let (limit, byteMax) = attempt.limits.sizeMax(of: .stream)
        let events: [ServerSentEvent]
        do {
            events = try state.decoder.feed(buffer.readableBytesView)
        } catch {
            throw .tooLarge(limit: limit)
        }
        if state.decoder.keepAliveCount > state.keepAliveCount {
            state.keepAliveCount = state.decoder.keepAliveCount
            try receive(.keepAlive)
        }
        for event in events {
            state.streamByteCount += event.raw.count
            guard state.streamByteCount <= byteMax else { throw .tooLarge(limit: limit) }
            try handOver(event)
        }
    }

    private func handOver(_ event: ServerSentEvent) throws(Failure) {
        let read = try EventReader.read(event, usageAsked: attempt.includeUsage)
        if let error = read.error { throw .erred(body: error) }
        try receive(.chunk(read.chunk, read.facts))
    }

    private func finish(_ state: inout State) throws(Failure) {
        switch state.phase {
        case .head: throw .cut
        case .refused(let head): throw refusal(head, state.bytes)
        case .body:
            let read = try BodyReader.read(state.bytes, kind: attempt.request.kind)
            try receive(.chunk(read.chunk, read.facts))
        case .stream:
            // Some end without the last blank line; what does not parse then was cut.
            guard let last = state.decoder.finish() else { return }
            do {
                try handOver(last)
            } catch .malformed {
                throw .cut
            }
        }
    }

    private func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> Failure {
        let status = Int(head.status.code)
        // A success that is no answer, or a redirect, which is not followed: nothing that a caller could act on.
        guard status >= 400 else { return .malformed(reason: "it has status \(status)") }
        let isPlain = head.headers["content-encoding"].isEmpty
        return .refused(
            Failure.Refusal(
                status: status, contentType: head.headers.first(name: "content-type"), body: isPlain ? body : [],
                retryAfter: head.headers.first(name: "retry-after").flatMap {
                    RetryAfter.duration($0, now: clock.wallNow)
                }, rate: rate(head)))
    }

    private func rate(_ head: HTTPResponseHead) -> RateFeedback? {
        RateLimitHeaders.feedback(status: Int(head.status.code), now: clock.wallNow) { head.headers.first(name: $0) }
    }
}
