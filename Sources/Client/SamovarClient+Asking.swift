import SamovarCore
import SamovarWire

extension SamovarClient {
    /// Asks, and waits for the whole answer.
    ///
    /// - Parameter body: the JSON that HTTP's body would be; empty for `models`. An answer to a body with
    ///   `"stream":true` is the bytes of the whole stream.
    /// - Throws: ``Failure``, with `cancelled` where the task was cancelled.
    public func ask(_ body: [UInt8], options: Options = Options()) async throws(Failure) -> Answer {
        let question = try asked(body, options, reading: .gathered, events: false)
        guard case .answer(let answer) = try await outcome(of: question) else { throw Self.unexpected }
        return answer
    }

    /// Asks, and waits for the answer's beginning.
    ///
    /// ```swift
    /// let stream = try await client.stream(body)
    /// print(stream.origin.result)
    /// for try await event in stream { … }      // leaving the loop early ends the request
    /// ```
    ///
    /// - Parameters:
    ///   - body: with `"stream":true`; otherwise the stream has the bytes of the one JSON text.
    ///   - pieces: where it is cut.
    /// - Throws: ``Failure``; so does reading, once the answer has begun.
    public func stream(
        _ body: [UInt8], options: Options = Options(), pieces: AnswerStream.Pieces = .events
    ) async throws(Failure) -> AnswerStream {
        let question = try asked(body, options, reading: .pieces, events: pieces == .events)
        var triesLeft = Self.tryMax
        while true {
            triesLeft -= 1
            let call = Call(question)
            // From here on whoever drops it ends the request.
            let reading = AnswerReading(call, self)
            driver.submit(call)
            switch await next(of: call) {
            case .began(let origin, let window):
                return AnswerStream(
                    origin: origin, reading: reading, gathersEvents: pieces == .events && origin.form == .stream,
                    window: window, eventSizeMax: settings.answerSizeMax)
            case .failed(let failure):
                guard failure.code == .draining, triesLeft > 0 else { throw failure }
            default: throw Self.unexpected
            }
        }
    }

    private func asked(
        _ body: [UInt8], _ options: Options, reading: Question.Reading, events: Bool
    ) throws(Failure) -> Question {
        let digest = options.asksDigestFirst(body.count, settings) ? Self.digest(of: body) : nil
        return Question(
            content: .ask(try options.ask(events: events), body: body, digest: digest), reading: reading,
            deadline: deadline(options))
    }
}

extension SamovarClient {
    /// A sidecar that leaves refuses what comes too late; the next connection may be to its successor.
    static let tryMax = 2

    /// Sends it, and waits for its end.
    func outcome(of question: Question) async throws(Failure) -> ReplyEvent {
        var triesLeft = Self.tryMax
        while true {
            triesLeft -= 1
            let call = Call(question)
            driver.submit(call)
            let event = await next(of: call)
            guard case .failed(let failure) = event else { return event }
            guard failure.code == .draining, triesLeft > 0 else { throw failure }
        }
    }

    private func next(of call: Call) async -> ReplyEvent {
        await withTaskCancellationHandler {
            await call.next()
        } onCancel: {
            driver.cancel(call)
        }
    }

    func deadline(_ options: Options) -> Instant {
        (options.timeout ?? settings.timeout).map { ClientDriver.now.advanced(by: $0) } ?? .never
    }

    static func digest(of body: [UInt8]) -> SentBodyDigest { SentBodyDigest(bytes: Digest256(of: body).bytes) }

    static var unexpected: Failure { Failure(.protocolBreach, "a reply of another kind") }
}
