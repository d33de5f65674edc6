import SamovarCore
import SamovarEngine

/// All metrics in Prometheus' text format, version 0.0.4.
struct PrometheusText {
    private(set) var text = ""

    init(_ source: AdminSource) {
        let metrics = source.pipeline.metrics
        counter("samovar_requests_total", "Requests by how they were answered.") {
            DataFront.allCases.flatMap { front in
                metrics.requests[front].all.map { label, value in
                    ("front=\"\(front.rawValue)\",result=\"\(label.rawValue)\"", value)
                }
            }
        }
        counter("samovar_upstream_attempts_total", "Calls to upstreams by outcome.") {
            metrics.attemptCounts.flatMap { upstream, outcomes in
                outcomes.all.map { ("upstream=\"\(upstream)\",outcome=\"\($0.label.rawValue)\"", $0.value) }
            }
        }
        counter("samovar_embedding_batches_total", "Calls for several embeddings at once, by outcome.") {
            metrics.embeddingBatches.all.map { ("outcome=\"\($0.label.rawValue)\"", $0.value) }
        }
        histogram(
            "samovar_embedding_batch_inputs", "Inputs of each of those calls (batch.size_max).",
            metrics.embeddingBatchInputs.snapshot)
        histogram("samovar_request_duration_seconds", "From the whole request to the whole reply.", metrics.durations)
        histogram(
            "samovar_time_to_first_token_seconds", "From the whole request to the reply's first byte.",
            metrics.firstTokens)
        let fill = source.pipeline.l1.fill
        gauge("samovar_l1_size_bytes", "What L1 holds, with keys and overhead.", fill.byteCount)
        gauge("samovar_l1_entries", "How many answers L1 holds.", fill.count)
        counter("samovar_evictions_total", "Entries that left L1, or were not let in.") {
            Self.byReason(metrics.evictions)
        }
        counter("samovar_not_stored_total", "Answers that were not kept.") { Self.byReason(metrics.notStored) }
        counter("samovar_leases_total", "Flights by how their call was shared with other pods.") {
            metrics.leases.all.map { ("outcome=\"\($0.label.rawValue)\"", $0.value) }
        }
        counter("samovar_invalidations_total", "What was made unusable here by hand, by what named it.") {
            metrics.invalidations.all.map { ("scope=\"\($0.label.rawValue)\"", $0.value) }
        }
        if let tracking = source.pipeline.tracking {
            gauge(
                "samovar_redis_tracking_state", "1 while changes in L2 are heard of, 0 when not, -1 where not allowed.",
                tracking == .connected ? 1 : tracking == .refused ? -1 : 0)
            counter("samovar_l1_rechecks_total", "Entries whose copy in L2 was said to have changed, by outcome.") {
                metrics.rechecks.all.map { ("outcome=\"\($0.label.rawValue)\"", $0.value) }
            }
        }
        counter("samovar_saved_tokens_total", "Tokens of answers that needed no call.") {
            [
                ("kind=\"prompt\"", metrics.savedPromptTokens.current),
                ("kind=\"completion\"", metrics.savedCompletionTokens.current),
                ("kind=\"estimated\"", metrics.savedEstimatedTokens.current),
            ]
        }
        if source.hasPrices() {
            counter("samovar_saved_micro_usd_total", "Money saved at the configured prices, in millionths of a dollar.")
            {
                [("", metrics.savedMicroUSD.current)]
            }
        }
        counter("samovar_ladder_total", "Requests that were served on a step of the ladder, by route.") {
            metrics.ladderCounts.flatMap { route, steps in
                steps.all.map { ("route=\"\(route)\",step=\"\($0.label.rawValue)\"", $0.value) }
            }
        }
        let arms = metrics.armFigures
        if !arms.isEmpty { add(arms, withPrices: source.hasPrices()) }
        counter("samovar_followers_lagged_total", "Followers cut because they read too slowly (follower_lag_max).") {
            [("", metrics.lagged.current)]
        }
        gauge("samovar_flights", "Upstream calls in the air (flights_max).", source.pipeline.flightCount)
        addUpstreams(source.pipeline.upstreamStatus, metrics)
        if let pods = source.pipeline.fleetPodCount {
            gauge("samovar_fleet_pods", "Pods that share the upstreams' limits, this one included (pods_max).", pods)
        }
        gauge("samovar_connections", "Open connections of the data port (connections_max).", source.connectionCount())
        if let redis = source.redis() { add(redis) }
        if let succeeded = source.lastReloadSucceeded() {
            gauge("samovar_config_last_reload_successful", "1 if the last reload was taken.", succeeded ? 1 : 0)
        }
    }

    private static func byReason<Label>(_ counters: Counters<Label>) -> [(String, Int)]
    where Label: RawRepresentable<String> {
        counters.all.map { ("reason=\"\($0.label.rawValue)\"", $0.value) }
    }

    private mutating func add(_ redis: Stats.RedisStats) {
        let state =
            switch redis.breaker {
            case "open": 2
            case "half_open": 1
            default: 0
            }
        gauge("samovar_redis_breaker_state", "0 closed, 1 half-open, 2 open.", state)
        counter("samovar_redis_commands_total", "Look-ups and writes in L2 by outcome.") {
            [
                ("outcome=\"hit\"", redis.hits), ("outcome=\"miss\"", redis.misses), ("outcome=\"set\"", redis.sets),
                ("outcome=\"skipped\"", redis.skipped), ("outcome=\"timeout\"", redis.timeouts),
                ("outcome=\"error\"", redis.errors), ("outcome=\"damaged\"", redis.damaged),
                ("outcome=\"value_size_max\"", redis.tooLarge),
            ]
        }
    }

    /// What stands before each upstream.
    private mutating func addUpstreams(_ upstreams: [Dispatcher.Status], _ metrics: Metrics) {
        func label(_ name: String) -> String { "upstream=\"\(name)\"" }
        gauges("samovar_queue_flights", "Flights that wait for their turn (queue_max).") {
            upstreams.flatMap { upstream in
                RequestClass.allCases.map {
                    ("\(label(upstream.upstream)),class=\"\($0.rawValue)\"", Double(upstream.waiting[$0] ?? 0))
                }
            }
        }
        counter("samovar_queue_refused_total", "Flights that were not let through to an upstream.") {
            metrics.refusalCounts.flatMap { upstream, reasons in
                reasons.all.map { ("\(label(upstream)),reason=\"\($0.label.rawValue)\"", $0.value) }
            }
        }
        histogram("samovar_queue_wait_seconds", "How long flights waited that could not go at once.", metrics.queueWait)
        gauges("samovar_permits", "Attempts under way.") {
            upstreams.map { (label($0.upstream), Double($0.permitCount)) }
        }
        gauges("samovar_concurrency_limit", "How many attempts may be under way, as learned (concurrency_max).") {
            upstreams.map { (label($0.upstream), Double($0.concurrencyLimit)) }
        }
        gauges("samovar_pace_requests_per_second", "How fast it is asked at most; absent where nothing limits it.") {
            upstreams.compactMap { upstream in upstream.requestsPerSecond.map { (label(upstream.upstream), $0) } }
        }
        gauges("samovar_upstream_breaker_state", "0 closed, 1 half-open, 2 open.") {
            upstreams.map { (label($0.upstream), Double($0.breaker.rawValue)) }
        }
        gauges("samovar_upstream_ejected", "1 while it is left out because it fails more than the others.") {
            upstreams.map { (label($0.upstream), $0.isEjected ? 1 : 0) }
        }
        gauges("samovar_fleet_part", "Part of the upstream's limits that is this pod's; absent where it is not shared.")
        {
            upstreams.compactMap { upstream in upstream.fleetPart.map { (label(upstream.upstream), $0) } }
        }
        counter("samovar_retries_total", "Second attempts by outcome; denied: retry_ratio was used up.") {
            metrics.retries.all.map { ("outcome=\"\($0.label.rawValue)\"", $0.value) }
        }
    }

    /// The arms of splits, side by side.
    private mutating func add(_ arms: [(arm: SplitArm, figures: ArmFigures)], withPrices: Bool) {
        let labelled = arms.map { arm, figures in ("route=\"\(arm.route)\",arm=\"\(arm.name)\"", figures) }
        counter("samovar_split_requests_total", "Requests of each arm by how they were answered.") {
            labelled.flatMap { labels, figures in
                figures.requests.all.map { ("\(labels),result=\"\($0.label.rawValue)\"", $0.value) }
            }
        }
        counter("samovar_split_tokens_total", "Tokens of each arm: of calls, and of answers that needed none.") {
            labelled.flatMap { labels, figures in
                [
                    ("\(labels),kind=\"prompt\",call=\"made\"", figures.spentPromptTokens.current),
                    ("\(labels),kind=\"completion\",call=\"made\"", figures.spentCompletionTokens.current),
                    ("\(labels),kind=\"prompt\",call=\"saved\"", figures.savedPromptTokens.current),
                    ("\(labels),kind=\"completion\",call=\"saved\"", figures.savedCompletionTokens.current),
                ]
            }
        }
        if withPrices {
            counter("samovar_split_micro_usd_total", "Money of each arm at the configured prices, in millionths.") {
                labelled.flatMap { labels, figures in
                    [
                        ("\(labels),call=\"made\"", figures.spentMicroUSD.current),
                        ("\(labels),call=\"saved\"", figures.savedMicroUSD.current),
                    ]
                }
            }
        }
        head("samovar_split_duration_seconds", "From the whole request to the whole reply, by arm.", "histogram")
        for (labels, figures) in labelled { add("samovar_split_duration_seconds", labels, figures.durations) }
        head("samovar_split_first_token_seconds", "From the whole request to the first byte, by arm.", "histogram")
        for (labels, figures) in labelled { add("samovar_split_first_token_seconds", labels, figures.firstTokens) }
    }

    private mutating func head(_ name: String, _ help: String, _ type: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func counter(_ name: String, _ help: String, _ samples: () -> [(String, Int)]) {
        head(name, help, "counter")
        for (labels, value) in samples() {
            text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
        }
    }

    private mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        head(name, help, "gauge")
        text += "\(name) \(value)\n"
    }

    private mutating func histogram(_ name: String, _ help: String, _ snapshot: CountHistogram.Snapshot) {
        head(name, help, "histogram")
        for (bound, count) in zip(CountHistogram.bounds, snapshot.buckets) {
            text += "\(name)_bucket{le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_bucket{le=\"+Inf\"} \(snapshot.count)\n\(name)_sum \(snapshot.sum)\n"
        text += "\(name)_count \(snapshot.count)\n"
    }

    /// One that is whole is written as such.
    private mutating func gauges(_ name: String, _ help: String, _ samples: () -> [(String, Double)]) {
        head(name, help, "gauge")
        for (labels, value) in samples() {
            let text = value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
            self.text += "\(name){\(labels)} \(text)\n"
        }
    }

    private mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        head(name, help, "histogram")
        let snapshot = histogram.snapshot
        for (bound, count) in zip(Histogram.bounds, snapshot.buckets) {
            text += "\(name)_bucket{le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_bucket{le=\"+Inf\"} \(snapshot.count)\n"
        text += "\(name)_sum \(snapshot.sumSeconds)\n\(name)_count \(snapshot.count)\n"
    }

    private mutating func histogram(_ name: String, _ help: String, _ histograms: Histograms<ServeResult>) {
        head(name, help, "histogram")
        for result in ServeResult.allCases { add(name, "result=\"\(result.rawValue)\"", histograms[result]) }
    }

    private mutating func add(_ name: String, _ labels: String, _ histogram: Histogram) {
        let snapshot = histogram.snapshot
        guard snapshot.count > 0 else { return }
        for (bound, count) in zip(Histogram.bounds, snapshot.buckets) {
            text += "\(name)_bucket{\(labels),le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_bucket{\(labels),le=\"+Inf\"} \(snapshot.count)\n"
        text += "\(name)_sum{\(labels)} \(snapshot.sumSeconds)\n"
        text += "\(name)_count{\(labels)} \(snapshot.count)\n"
    }
}
