import SamovarCore
import SamovarWire

extension ReplyFraming.Headers {
    init(contentType: String?) {
        self.init()
        if let contentType { add("content-type", contentType) }
    }

    init(form: Form) {
        switch form {
        case .body: self.init(contentType: "application/json")
        case .stream:
            self.init(contentType: "text/event-stream; charset=utf-8")
            // Proxies on the way must neither keep a stream nor hold it back.
            add("cache-control", "no-cache")
            add("x-accel-buffering", "no")
        }
    }

    mutating func add(_ provenance: Provenance) {
        add("x-cache", provenance.xCache)
        add("cache-status", provenance.cacheStatus)
        if let age = provenance.age { add("age", String(age.components.seconds)) }
    }
}

/// A reply that is known as a whole.
struct FullReply: Sendable {
    var status: Int
    var headers: ReplyFraming.Headers
    var body: [UInt8]
    /// What is sent where the head of a stream has already gone out.
    var event: [UInt8]
    var retryAfterSeconds: Int64?

    init(status: Int, headers: ReplyFraming.Headers, body: [UInt8], event: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
        self.event = event
    }

    init(_ error: ErrorReply) {
        status = error.status
        headers = ReplyFraming.Headers(contentType: error.contentType)
        headers.add(Provenance(result: .error))
        if error.forbidsRetry { headers.add("x-should-retry", "false") }
        body = error.body
        event = error.event
        // Whole seconds, rounded up: an early retry would only meet the same answer.
        retryAfterSeconds = error.retryAfter.map { ($0.milliseconds + 999) / 1_000 }
    }

    var isError: Bool { status >= 400 }
}
