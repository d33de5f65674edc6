import NIOHTTP1
import SamovarCore
import SamovarWire

/// The headers of a reply: what it is, and where it came from.
struct ReplyHeaders: Sendable {
    private(set) var headers = HTTPHeaders()

    init(contentType: String?) {
        headers.reserveCapacity(8)
        if let contentType { headers.add(name: "content-type", value: contentType) }
    }

    init(form: Form) {
        switch form {
        case .body: self.init(contentType: "application/json")
        case .stream:
            self.init(contentType: "text/event-stream; charset=utf-8")
            // Proxies on the way must neither keep a stream nor hold it back.
            headers.add(name: "cache-control", value: "no-cache")
            headers.add(name: "x-accel-buffering", value: "no")
        }
    }

    mutating func add(_ name: String, _ value: String) {
        headers.add(name: name, value: value)
    }

    mutating func add(_ provenance: Provenance) {
        headers.add(name: "x-cache", value: provenance.xCache)
        headers.add(name: "cache-status", value: provenance.cacheStatus)
        if let age = provenance.age { headers.add(name: "age", value: String(age.components.seconds)) }
    }
}

/// A reply that is known as a whole.
struct FullReply: Sendable {
    var status: Int
    var headers: ReplyHeaders
    var body: [UInt8]
    /// What is sent where the head of a stream has already gone out.
    var event: [UInt8]
    var retryAfterSeconds: Int64?

    init(status: Int, headers: ReplyHeaders, body: [UInt8], event: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
        self.event = event
    }

    init(_ error: ErrorReply) {
        status = error.status
        headers = ReplyHeaders(contentType: error.contentType)
        headers.add(Provenance(result: .error))
        if error.forbidsRetry { headers.add("x-should-retry", "false") }
        body = error.body
        event = error.event
        // Whole seconds, rounded up: an early retry would only meet the same answer.
        retryAfterSeconds = error.retryAfter.map { ($0.milliseconds + 999) / 1_000 }
    }

    var isError: Bool { status >= 400 }
}
