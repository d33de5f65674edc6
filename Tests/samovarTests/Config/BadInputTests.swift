import Testing

@testable import samovar

/// Every way to write a key wrong that we could think of, each with the one line that says so.
struct BadInputTests {
    struct BadInput: Sendable, CustomTestStringConvertible {
        let yaml: String
        let line: Int
        let path: String
        /// What the message must say.
        let message: String

        init(_ yaml: String, line: Int = 1, _ path: String, _ message: String) {
            (self.yaml, self.line, self.path, self.message) = (yaml, line, path, message)
        }

        var testDescription: String { "\(path): \(message)" }
    }

    @Test("a misspelt key is named with its path, its line and the nearest known one", arguments: misspelt)
    func misspeltKey(_ input: BadInput) { expectOneComplaint(input) }

    @Test("a wrong value is named with its path, its line and what is allowed", arguments: wrongValues)
    func wrongly(_ input: BadInput) { expectOneComplaint(input) }

    @Test("a wrong shape is named with its path and its line", arguments: wrongShapes)
    func misshapen(_ input: BadInput) { expectOneComplaint(input) }

    private func expectOneComplaint(_ input: BadInput) {
        let complaints = ConfigurationText(input.yaml).complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.hasPrefix("samovar.yaml:\(input.line): \(input.path): ") == true, "\(complaints)")
        #expect(complaints.first?.contains(input.message) == true, "\(complaints)")
    }

    static let misspelt: [BadInput] = [
        .init("lisen: {}", "lisen", "unknown key; did you mean 'listen'?"),
        .init("listen:\n  htpp: 127.0.0.1:1", line: 2, "listen.htpp", "did you mean 'http'?"),
        .init("redis:\n  key-prefix: x", line: 2, "redis.key-prefix", "did you mean 'key_prefix'?"),
        .init("cache:\n  ttl: 1h\n  stale_tll: 1h", line: 3, "cache.stale_tll", "did you mean 'stale_ttl'?"),
        .init(
            "cache: {max_l1_size: 1GiB}", "cache.max_l1_size",
            "known here: l1_size_max, l1_item_size_max, policy, body_memo_size_max"),
        .init("cache: {TTL: 1h}", "cache.TTL", "did you mean 'ttl'?"),
        .init("routes:\n  - name: a\n    ttll: 1h", line: 3, "routes[0].ttll", "did you mean 'ttl'?"),
        .init(
            "routes:\n  - name: a\n    match:\n      modle: m", line: 4, "routes[0].match.modle",
            "did you mean 'model'?"),
        .init(
            "routes:\n  - name: a\n    deadline: {totl: 1m}", line: 3, "routes[0].deadline.totl",
            "did you mean 'total'?"),
        .init(
            "routes:\n  - name: a\n    key: {ignored: [user]}", line: 3, "routes[0].key.ignored",
            "did you mean 'ignore'?"),
        .init(
            "upstreams:\n  - name: a\n    url: http://a\n    api_key: sk-canary", line: 4, "upstreams[0].api_key",
            "unknown key; did you mean 'api_key_env'?"),
        .init(
            "models:\n  m: {input_per_milion_usd: 1}", line: 2, "models.m.input_per_milion_usd",
            "did you mean 'input_per_million_usd'?"),
        .init("limits: {flight_max: 3}", "limits.flight_max", "did you mean 'flights_max'?"),
        .init("debug_header: true", "debug_header", "did you mean 'debug_headers'?"),
        .init("rutes:\n  - name: a\n    nonsense: 1", "rutes", "did you mean 'routes'?"),
        .init("frobnicate: 1", "frobnicate", "unknown key; known here: listen, redis, lease, cache"),
        .init("\"a\\nb\": 1", "?", "unknown key"),
    ]

    static let wrongValues: [BadInput] = [
        .init(
            "upstreams: [{name: a, url: \"https://a\", requests_per_second: 0}]", "upstreams[0].requests_per_second",
            "a number from 0.001 to 1000000, with at most 3 decimals; found '0'"),
        .init(
            "upstreams: [{name: a, url: \"https://a\", queue_max: -1}]", "upstreams[0].queue_max",
            "a whole number from 0 to 100000"),
        .init(
            "upstreams: [{name: a, url: \"https://a\", burst: 5}]", "upstreams[0].burst",
            "needs requests_per_second beside it"),
        .init(
            "upstreams: [{name: a, url: \"https://a\", tier: cloud}]", "upstreams[0].tier", "local, regional or burst"),
        .init(
            "upstreams: [{name: a, url: \"https://a\", breaker: {error_ratio: 1.5}}]",
            "upstreams[0].breaker.error_ratio", "a number from 0.01 to 1"),
        .init(
            "upstreams: [{name: a, url: \"https://a\", breaker: {sleep: 9s}}]", "upstreams[0].breaker.sleep",
            "is longer than sleep_max, which is 5s"),
        .init("admission: {model_share: 0}", "admission.model_share", "a number from 0.01 to 1"),
        .init("admission: {retry_ratio: 0.1234}", "admission.retry_ratio", "with at most 3 decimals"),
        .init("routes: [{name: a, class: prewarm}]", "routes[0].class", "interactive or batch"),
        .init("routes: [{name: a, queue_timeout: 10}]", "routes[0].queue_timeout", "with its unit"),
        .init("cache: {ttl: 60}", "cache.ttl", "with its unit (ms, s, m, h) from 0 to 8760h; found '60'"),
        .init("cache: {ttl: 1.5h}", "cache.ttl", "found '1.5h'"),
        .init("cache: {ttl: 1h30m}", "cache.ttl", "found '1h30m'"),
        .init("cache: {ttl: 1 h}", "cache.ttl", "found '1 h'"),
        .init("cache: {ttl: -1h}", "cache.ttl", "found '-1h'"),
        .init("cache: {ttl: .nan}", "cache.ttl", "found '.nan'"),
        .init("cache: {ttl: .inf}", "cache.ttl", "found '.inf'"),
        .init("cache: {ttl: 1d}", "cache.ttl", "found '1d'"),
        .init("cache: {ttl: 99999999999999999999s}", "cache.ttl", "found '99999999999999999999s'"),
        .init("cache: {ttl: 9999999999999999h}", "cache.ttl", "found '9999999999999999h'"),
        .init("cache: {ttl: 8761h}", "cache.ttl", "from 0 to 8760h"),
        .init("cache: {ttl: 010s}", "cache.ttl", "found '010s'"),
        .init("cache: {ttl: ٣s}", "cache.ttl", "found '٣s'"),
        .init(
            "cache: {l1_size_max: 256MB}", "cache.l1_size_max",
            "with its unit (B, KiB, MiB, GiB) from 1MiB to 1024GiB; found '256MB'"),
        .init("cache: {l1_size_max: 1073741824}", "cache.l1_size_max", "found '1073741824'"),
        .init("cache: {l1_size_max: 0}", "cache.l1_size_max", "from 1MiB to 1024GiB; found '0'"),
        .init("cache: {l1_size_max: 0x10MiB}", "cache.l1_size_max", "found '0x10MiB'"),
        .init("cache: {l1_size_max: 9999999999GiB}", "cache.l1_size_max", "found '9999999999GiB'"),
        .init("redis: {timeout: 0}", "redis.timeout", "from 1ms to 10s; found '0'"),
        .init("redis: {timeout: 11s}", "redis.timeout", "from 1ms to 10s; found '11s'"),
        .init("redis: {connections: 0}", "redis.connections", "a whole number from 1 to 64; found '0'"),
        .init("redis: {connections: 2.0}", "redis.connections", "found '2.0'"),
        .init("redis: {connections: 1_0}", "redis.connections", "found '1_0'"),
        .init("redis: {connections: +2}", "redis.connections", "found '+2'"),
        .init("redis: {key_prefix: \"\"}", "redis.key_prefix", "1 to 128 printable characters"),
        .init("limits: {idle_timeout: 25h}", "limits.idle_timeout", "from 1ms to 24h; found '25h'"),
        .init("limits: {header_timeout: 0}", "limits.header_timeout", "from 1ms to 24h; found '0'"),
        .init("limits: {flights_max: NaN}", "limits.flights_max", "found 'NaN'"),
        .init("limits: {flights_max: 1e3}", "limits.flights_max", "found '1e3'"),
        .init("limits: {body_size_max: 2GiB}", "limits.body_size_max", "from 1KiB to 1GiB; found '2GiB'"),
        .init("debug_headers: yes", "debug_headers", "true or false; found 'yes'"),
        .init("debug_headers: 1", "debug_headers", "true or false; found '1'"),
        .init("log: {level: warn}", "log.level", "expected trace, debug, info, notice, warning or error; found 'warn'"),
        .init("log: {level: inof}", "log.level", "did you mean 'info'?"),
        .init("listen: {tenant: a b}", "listen.tenant", "found 'a b'"),
        .init("listen: {http: \"7600\"}", "listen.http", "127.0.0.1:port, [::1]:port, localhost:port or unix:/path"),
        .init(
            "listen: {allowed_hosts: [a.example:80]}", "listen.allowed_hosts[0]",
            "a host's name or address, without a port"),
        .init("listen: {allowed_hosts: [\"*\"]}", "listen.allowed_hosts[0]", "a host's name"),
        .init("listen: {allowed_origins: [example.com]}", "listen.allowed_origins[0]", "an origin such as https://"),
        .init("listen: {allowed_origins: [\"https://a.example/x\"]}", "listen.allowed_origins[0]", "without a path"),
        .init("listen: {allowed_hosts: [a, b, a]}", "listen.allowed_hosts[2]", "'a' stands in the list twice"),
        .init(
            "routes:\n  - {name: a, sampling: shared}", line: 2, "routes[0].sampling",
            "share, coalesce or bypass; found 'shared'; did you mean 'share'?"),
        .init(
            "routes:\n  - name: a\n    match: {path: /v1/chat/completion}", line: 3, "routes[0].match.path",
            "did you mean '/v1/chat/completions'?"),
        .init(
            "routes:\n  - name: a\n    match: {path: /v1/responses}", line: 3, "routes[0].match.path",
            "(also without /v1); found '/v1/responses'"),
        .init(
            "routes:\n  - name: a\n    key:\n      ignore:\n        - user\n        - messages", line: 6,
            "routes[0].key.ignore[1]", "different questions would share one answer"),
        .init(
            "routes:\n  - name: a\n    deadline: {first_token: 0}", line: 3, "routes[0].deadline.first_token",
            "from 1ms to 24h"),
        .init(
            "models:\n  m: {input_per_million_usd: -1}", line: 2, "models.m.input_per_million_usd",
            "from 0 to 1000000 with at most 6 decimals; found '-1'"),
        .init("models:\n  m: {input_per_million_usd: .5}", line: 2, "models.m.input_per_million_usd", "found '.5'"),
        .init("models:\n  m: {input_per_million_usd: 1e-3}", line: 2, "models.m.input_per_million_usd", "found '1e-3'"),
        .init("models:\n  m: {input_per_million_usd: .nan}", line: 2, "models.m.input_per_million_usd", "found '.nan'"),
        .init("models:\n  m: {input_per_million_usd: .inf}", line: 2, "models.m.input_per_million_usd", "found '.inf'"),
        .init(
            "models:\n  m: {input_per_million_usd: 0.0000001}", line: 2, "models.m.input_per_million_usd",
            "found '0.0000001'"),
        .init(
            "models:\n  m: {input_per_million_usd: 1000000.1}", line: 2, "models.m.input_per_million_usd",
            "found '1000000.1'"),
        .init("passthrough:\n  - v1/moderations", line: 2, "passthrough[0]", "an absolute path without a query"),
        .init("passthrough:\n  - /v1/a?b=c", line: 2, "passthrough[0]", "found '/v1/a?b=c'"),
        .init("passthrough:\n  - /v1/../admin", line: 2, "passthrough[0]", "found '/v1/../admin'"),
        .init("log: {level: \"\\e[31m\"}", "log.level", "found '?[31m'"),
        .init(
            "log: {level: \(String(repeating: "x", count: 50))}", "log.level",
            "found '\(String(repeating: "x", count: 40))…'"),
    ]

    static let wrongShapes: [BadInput] = [
        .init("listen: 127.0.0.1:7600", "listen", "expected a mapping; found a single value"),
        .init("listen: [a]", "listen", "expected a mapping; found a list"),
        .init("upstreams: {name: a}", "upstreams", "expected a list; found a mapping"),
        .init("upstreams: deepseek", "upstreams", "expected a list; found a single value"),
        .init("upstreams:\n  - deepseek", line: 2, "upstreams[0]", "expected a mapping; found a single value"),
        .init("routes: a", "routes", "expected a list; found a single value"),
        .init("models:\n  - m", "models", "expected a mapping; found a list"),
        .init("models:\n  m: 0.28", line: 2, "models.m", "expected a mapping; found a single value"),
        .init("models: {\"\": {}}", "models", "a model's name"),
        .init("passthrough: /v1/x", "passthrough", "expected a list; found a single value"),
        .init(
            "passthrough: [[/v1/x]]", "passthrough[0]",
            "expected an absolute path without a query, such as /v1/moderations; found a list"),
        .init("cache: {ttl: }", "cache.ttl", "found nothing"),
        .init("cache:\n  ttl:\n  stale_ttl: 1h", line: 2, "cache.ttl", "found nothing"),
        .init("cache: {ttl: ~}", "cache.ttl", "found nothing"),
        .init("cache: {ttl: {h: 1}}", "cache.ttl", "found a mapping"),
        .init("debug_headers: [true]", "debug_headers", "expected true or false; found a list"),
        .init("upstreams:\n  - name: a", line: 2, "upstreams[0].url", "is missing, and has no default"),
        .init(
            "upstreams:\n  - {name: a, url: http://a}\n  - {url: http://b}", line: 3, "upstreams[1].name",
            "is missing"),
    ]
}
