import SamovarCore
import SamovarEngine
import SamovarWire

/// An answer that a client brought, told as an upstream tells one: the same reader, the same checks.
struct GivenAnswer: Upstream {
    let form: Form
    let bytes: [UInt8]

    func attempt(
        _ attempt: Attempt, for caller: Caller, receive: @escaping @Sendable (AttemptEvent) throws(Failure) -> Void
    ) async throws(Failure) {
        let (limit, sizeMax) = attempt.limits.sizeMax(of: form)
        guard bytes.count <= sizeMax else { throw .tooLarge(limit: limit) }
        try receive(.began(form))
        switch form {
        case .body:
            let read = try BodyReader.read(bytes, kind: attempt.request.kind)
            try receive(.chunk(read.chunk, read.facts))
        case .stream:
            var decoder = EventDecoder(eventSizeMax: sizeMax)
            var events: [ServerSentEvent]
            do {
                events = try decoder.feed(bytes)
            } catch {
                throw .malformed(reason: "an event is too large")
            }
            if let last = decoder.finish() { events.append(last) }
            for event in events {
                let read = try EventReader.read(event, usageAsked: false)
                if let error = read.error { throw .erred(body: error) }
                try receive(.chunk(read.chunk, read.facts))
            }
        }
    }
}
