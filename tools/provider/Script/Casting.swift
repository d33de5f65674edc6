import NIOCore
import NIOHTTP1

/// Chooses the script of a reply: a function of what was asked, what was decided about it and the hour.
struct Casting {
    let admission: Door.Admission
    /// Unix time, seconds.
    let created: Int

    private var settings: Settings { admission.settings }

    /// - Parameter ask: nil for the list of models.
    func script(for ask: Ask?) -> Script {
        switch admission.ruling {
        case .refuse(let refusal): return .whole(error(refusal))
        case .redirect(let url): return .whole(WholeReply(head: head(.found, [("location", url)]), body: ByteBuffer()))
        case .serve: break
        }
        switch ask {
        case nil: return .whole(plain(models))
        case .text(let ask)?:
            if let body = substitute { return .whole(body) }
            let answer = Answer(to: ask, attempt: admission.attempt, created: created, settings: settings)
            return ask.stream ? .stream(stream(answer)) : .whole(whole(answer))
        case .embedding(let ask)?:
            if let body = substitute { return .whole(body) }
            return .whole(plain(EmbeddingBody.make(ask, swapped: admission.settings.swapInputs)))
        }
    }

    private func whole(_ answer: Answer) -> WholeReply {
        let pace = Pace(settings)
        let due = settings.jsonMs.map { pace.silence + .milliseconds(Int64($0)) } ?? pace.due(step: answer.stepCount)
        return WholeReply(
            head: head(.ok, [("content-type", settings.contentType ?? "application/json")]),
            body: WholeBody.make(answer), due: due, pace: pace, isCut: settings.cutAfterTokens != nil)
    }

    private func stream(_ answer: Answer) -> StreamReply {
        let type = settings.contentType ?? "text/event-stream; charset=utf-8"
        return StreamReply(head: head(.ok, [("content-type", type)]), answer: answer, settings: settings)
    }

    /// What goes out instead of any answer, if the settings say so. It takes as long as an answer of no tokens.
    private var substitute: WholeReply? {
        if settings.errorUnder200 {
            var writer = JSONWriter()
            Refusal.ordered(status: settings.errorStatus, retryAfter: nil).write(into: &writer)
            return plain(writer.bytes)
        }
        if let body = settings.bodyOverride { return plain(ByteBuffer(string: body)) }
        if settings.gzipBomb { return plain(GzipBomb.body, [("content-encoding", "gzip")]) }
        return nil
    }

    private func plain(_ body: ByteBuffer, _ extra: [(String, String)] = []) -> WholeReply {
        let pace = Pace(settings)
        return WholeReply(
            head: head(.ok, [("content-type", settings.contentType ?? "application/json")] + extra), body: body,
            due: settings.jsonMs.map { pace.silence + .milliseconds(Int64($0)) } ?? pace.due(step: 0), pace: pace,
            isCut: settings.cutAfterTokens != nil)
    }

    private func error(_ refusal: Refusal) -> WholeReply {
        var writer = JSONWriter()
        refusal.write(into: &writer)
        var extra = [("content-type", "application/json")]
        if let seconds = refusal.retryAfter { extra.append(("retry-after", String(seconds))) }
        return WholeReply(head: head(HTTPResponseStatus(statusCode: refusal.status), extra), body: writer.bytes)
    }

    /// With what only this call may see: whoever stores answers must not store or replay it.
    private func head(_ status: HTTPResponseStatus, _ extra: [(String, String)]) -> HTTPResponseHead {
        let attempt = String(admission.attempt)
        var headers = HTTPHeaders(extra)
        headers.reserveCapacity(extra.count + 6)
        headers.add(name: "x-request-id", value: "req_" + attempt)
        headers.add(name: "set-cookie", value: "session=" + attempt)
        headers.add(name: "x-ratelimit-remaining-requests", value: String(admission.remaining))
        headers.add(name: "openai-processing-ms", value: String(settings.jsonMs ?? settings.firstTokenMs))
        return HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    }

    private var models: ByteBuffer {
        var writer = JSONWriter()
        writer.raw(#"{"object":"list","data":["#)
        for (index, name) in ["standin", "standin-reasoner", "standin-embedding"].enumerated() {
            writer.raw(index == 0 ? #"{"id":"# : #",{"id":"#)
            writer.quoted(name)
            writer.raw(#","object":"model","created":1700000000,"owned_by":"standin"}"#)
        }
        writer.raw("]}")
        return writer.bytes
    }
}
