/// What one run saw.
struct Outcome {
    /// Answers in the counted time, right or wrong.
    var ops = 0
    /// All requests, warm-up included: what a server's processor time is divided by.
    var asked = 0
    /// Requests that had to be sent once more with their body (BODY_NEEDED).
    var askedAgain = 0
    var errors = 0
    var firstError = ""
    /// The counted time.
    var seconds = 0.0
    /// The load's own share of a core, over the whole run: near 1 it may be what holds the server back.
    var busy = 0.0
    /// Of a request, from its send to its last byte; with several in flight, of the whole batch.
    var latency = Histogram()

    mutating func err(_ reason: @autoclosure () -> String) {
        if errors == 0 { firstError = reason() }
        errors += 1
    }

    var json: String {
        let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)]
        let percentiles = shares.map { "\"\($0.0)\":\(Double(latency.percentile($0.1)) / 1e3)" }
        let reason = firstError.unicodeScalars.map { $0.value < 32 || $0 == "\"" || $0 == "\\" ? " " : String($0) }
        return """
            {"ops":\(ops),"asked":\(asked),"asked_again":\(askedAgain),"errors":\(errors),"first_error":"\(reason.joined())","seconds":\(seconds),\
            "busy":\(busy),"latency_us":{\(percentiles.joined(separator: ",")),"max":\(Double(latency.max) / 1e3)}}
            """
    }
}
