/// A report as one JSON object. Times are microseconds; absent figures are null.
struct BenchJSON {
    let text: String

    init(_ report: BenchReport) {
        let (tally, observed, warmUp) = (report.tally, report.result.observed, report.result.warmUp)
        text = Self.object([
            ("target", JSONLog.quoted("\(report.settings.target.address)")),
            ("front", JSONLog.quoted(report.settings.target.front.rawValue)),
            ("started_at", JSONLog.quoted(report.startedAt)),
            ("settings", Self.settings(report)),
            (
                "warm_up",
                Self.object([
                    ("asked", "\(warmUp.asked)"), ("verified", "\(warmUp.verified)"), ("failed", "\(warmUp.failed)"),
                    ("seconds", "\(warmUp.seconds)"),
                ])
            ),
            ("seconds", "\(observed.seconds)"),
            ("interrupted", "\(observed.isInterrupted)"),
            ("requests", "\(tally.verified + tally.failed + tally.unfinished)"),
            ("verified", "\(tally.verified)"),
            ("failed", "\(tally.failed)"),
            ("unfinished", "\(tally.unfinished)"),
            ("errors", Self.errors(tally.failures)),
            ("error_details", Self.object(report.details.map { ($0.detail, "\($0.count)") })),
            ("results", Self.object(ReplyResult.allCases.map { ($0.rawValue, "\(tally.count(of: $0))") })),
            ("bodies_needed", "\(tally.bodiesNeeded)"),
            ("requests_per_second", "\(report.result.throughput)"),
            ("answer_bytes", "\(tally.servedBytes)"),
            ("latency_us", Self.latency(tally.latency)),
            ("send_lag_us", Self.latency(tally.sendLag)),
            ("cpu", Self.process(report)),
            ("own_cpu_cores", "\(observed.ownCores)"),
            ("series", "[\(Self.series(tally.series).joined(separator: ","))]"),
        ])
    }

    static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(JSONLog.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func settings(_ report: BenchReport) -> String {
        let settings = report.settings
        var (rate, spacing) = ("null", "null")
        if case .open(let perSecond, let arrivals) = settings.pace {
            (rate, spacing) = ("\(perSecond)", JSONLog.quoted(arrivals.rawValue))
        }
        return object([
            ("rate", rate), ("arrivals", spacing), ("connections", "\(settings.connections)"),
            ("pipeline", "\(settings.pipeline)"), ("threads", "\(min(settings.threads, settings.connections))"),
            ("bodies", JSONLog.quoted(report.bodies)), ("keys", "\(settings.keyCount)"),
            ("distribution", JSONLog.quoted("\(settings.distribution)")), ("streams", "\(settings.forms.streamShare)"),
            ("digest", "\(settings.asksDigestFirst)"), ("duration", "\(settings.duration)"),
            ("warm_up", "\(settings.warmUp)"), ("timeout", "\(settings.timeout)"), ("fill", "\(settings.fills)"),
            ("backlog", "\(settings.backlogMax)"), ("seed", "\(settings.seed)"),
        ])
    }

    private static func errors(_ failures: [Int]) -> String {
        object(RequestFailure.allCases.map { ($0.rawValue, "\(failures[$0.index])") })
    }

    private static func latency(_ histogram: LatencyHistogram) -> String {
        let values = histogram.percentiles(BenchReport.shares.map(\.share))
        var members = zip(BenchReport.shares, values).map { ($0.name, microseconds($1)) }
        members.append(("min", microseconds(histogram.count > 0 ? histogram.min : nil)))
        members.append(("mean", histogram.mean.map { "\($0 / 1e3)" } ?? "null"))
        members.append(("max", microseconds(histogram.count > 0 ? histogram.max : nil)))
        members.append(("error_bound", "\(histogram.errorBound)"))
        return object(members)
    }

    private static func microseconds(_ nanoseconds: UInt64?) -> String {
        nanoseconds.map { "\(Double($0) / 1e3)" } ?? "null"
    }

    private static func process(_ report: BenchReport) -> String {
        guard let process = report.result.observed.process else { return "null" }
        return object([
            ("pid", "\(process.pid)"), ("name", JSONLog.quoted(process.name)),
            ("seconds", process.seconds.map { "\($0)" } ?? "null"),
            ("us_per_request", report.result.processorMicrosecondsPerRequest.map { "\($0)" } ?? "null"),
        ])
    }

    private static func series(_ series: TimeSeries) -> [String] {
        series.seconds.enumerated().map { index, second in
            let latency = second.latency.percentiles([0.5, 0.99])
            return object([
                ("second", "\(index)"), ("verified", "\(second.verified)"), ("hits", "\(second.hits)"),
                ("misses", "\(second.misses)"), ("failed", "\(second.failed)"), ("errors", errors(second.failures)),
                ("p50_us", microseconds(latency[0])), ("p99_us", microseconds(latency[1])),
            ])
        }
    }
}
