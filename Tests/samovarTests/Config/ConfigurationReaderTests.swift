import Foundation
import SamovarCore
import Testing

@testable import samovar

struct ConfigurationReaderTests {
    @Test(
        "an empty file is all defaults",
        arguments: ["", "\n", "# nothing\n", "---\n", "{}", "listen:\ncache: {}\nroutes: []\n"])
    func empty(yaml: String) throws {
        let configuration = try ConfigurationText(yaml).read()
        #expect(configuration == Configuration())
        #expect(configuration.routes == [.default])
    }

    @Test("the defaults are those of the contract")
    func defaults() {
        let configuration = Configuration()
        #expect(configuration.listen.http == .tcp(host: "127.0.0.1", port: 7_600))
        #expect(configuration.listen.binary == .tcp(host: "127.0.0.1", port: 7_601))
        #expect(configuration.listen.admin == .tcp(host: "127.0.0.1", port: 7_602))
        #expect(configuration.listen.tenant == "default")
        #expect(configuration.redis.url == nil)
        #expect(configuration.redis.timeout == .milliseconds(50))
        #expect(configuration.cache.l1SizeMax == 268_435_456)
        #expect(configuration.cache.effectiveL1ItemSizeMax == 33_554_432)
        #expect(configuration.cache.ttl == .seconds(3_600))
        #expect(configuration.cache.staleTTL == .seconds(86_400))
        #expect(configuration.limits.bodySizeMax == 8_388_608)
        #expect(configuration.limits.bodyRateMin == 1_024)
        #expect(configuration.drain.grace == .seconds(25))
        #expect(configuration.log.level == .info)
        #expect(!configuration.debugHeaders)
    }

    @Test("the contract's example is read as it says")
    func contract() throws {
        let text = ConfigurationText(
            """
            # samovar serve --config samovar.yaml      (every key has a default; SAMOVAR__LISTEN__HTTP=… overrides it)
            listen:
              http:   127.0.0.1:7600          # OpenAI-compatible; also unix:/run/samovar/http.sock
              binary: 127.0.0.1:7601          # also unix:/run/samovar/binary.sock
              admin:  127.0.0.1:7602          # /healthz /readyz /metrics /stats.json /  (dashboard)
              tenant: default
              admin_token_env: SAMOVAR_ADMIN_TOKEN   # needed by whatever changes something over TCP
            redis:
              url: redis://127.0.0.1:6379/0   # absent: L1 only; rediss://, redis+sentinel://, redis+cluster://, unix://
              key_prefix: "samovar:"
              timeout: 50ms
            cache:
              l1_size_max: 256MiB
              ttl: 1h
              stale_ttl: 24h                  # how long an expired answer may still be served
            upstreams:
              - name: deepseek
                url: https://api.deepseek.com/v1
                api_key_env: DEEPSEEK_API_KEY # absent: the caller's own Authorization is passed on
                weight: 1
            routes:                           # first match in file order; a route's name is part of the key
              - name: reasoning
                match: {path: /v1/chat/completions, model: "deepseek-reasoner*"}
                upstreams: [deepseek]
                ttl: 6h
                sampling: share               # share | coalesce | bypass
                store_length: false
                finish_when_left: true
                key: {ignore: [user]}
                deadline: {first_token: 60s, between_tokens: 30s, total: 10m}
            models:                           # prices, for what was saved; unknown models count as unpriced
              deepseek-chat: {input_per_million_usd: 0.28, output_per_million_usd: 0.42}
            """)
        let configuration = try text.read()

        var reasoning = RouteConfiguration(name: "reasoning")
        reasoning.match = .init(call: .chat, model: "deepseek-reasoner*")
        reasoning.upstreams = ["deepseek"]
        reasoning.ttl = .seconds(6 * 3_600)
        reasoning.finishWhenLeft = true
        reasoning.key.ignore = ["user"]
        var expected = Configuration()
        expected.redis.url = StoreURL("redis://127.0.0.1:6379/0")
        expected.upstreams = [
            UpstreamConfiguration(
                name: "deepseek", url: "https://api.deepseek.com/v1", apiKeyEnv: "DEEPSEEK_API_KEY")
        ]
        expected.routes = [reasoning, .default]
        expected.models = [
            "deepseek-chat": ModelPrice(inputMicroUSDPerMillion: 280_000, outputMicroUSDPerMillion: 420_000)
        ]
        #expect(configuration == expected)
        #expect(try text.warnings.isEmpty)
    }

    @Test("all errors are reported at once, in the order of the lines")
    func allErrors() {
        let complaints = ConfigurationText(
            """
            cache:
              ttl: 3600
            lisetn: {}
            log: {level: loud}
            upstreams:
              - nam: a
                url: ftp://a
            """, environment: ["SAMOVAR__DRAIN__GRACE": "soon"]
        ).complaints
        #expect(
            complaints == [
                "samovar.yaml:2: cache.ttl: expected a duration with its unit (ms, s, m, h) from 0 to 8760h; "
                    + "found '3600'",
                "samovar.yaml:3: lisetn: unknown key; did you mean 'listen'?",
                "samovar.yaml:4: log.level: expected trace, debug, info, notice, warning or error; found 'loud'",
                "samovar.yaml:6: upstreams[0].nam: unknown key; did you mean 'name'?",
                "samovar.yaml:6: upstreams[0].name: is missing, and has no default",
                "samovar.yaml:7: upstreams[0].url: expected http:// or https:// with a host, and a path at most",
                "SAMOVAR__DRAIN__GRACE: drain.grace: expected a duration with its unit (ms, s, m, h) from 0 to 24h; "
                    + "found 'soon'",
            ])
    }

    @Test("lists and mappings have at most so many items", .timeLimit(.minutes(1)))
    func counts() {
        let paths = (0..<1_001).map { "  - /p\($0)\n" }
        #expect(ConfigurationText("passthrough:\n" + paths.dropLast().joined()).complaints == [])
        #expect(
            ConfigurationText("log: {}\npassthrough:\n" + paths.joined()).complaints == [
                "samovar.yaml:2: passthrough: has 1001 items, more than 1000"
            ])
        let models = (0..<10_001).map { "  m\($0): {}\n" }
        #expect(
            ConfigurationText("models:\n" + models.joined()).complaints == [
                "samovar.yaml:1: models: has 10001 keys, more than 10000"
            ])
    }

    @Test("0 needs no unit")
    func zero() throws {
        let configuration = try ConfigurationText("cache: {stale_ttl: 0}\nlimits: {body_rate_min: 0}").read()
        #expect(configuration.cache.staleTTL == .zero)
        #expect(configuration.limits.bodyRateMin == 0)
    }

    @Test("L1's policy is lru, or s3fifo where that is said")
    func policy() throws {
        #expect(try ConfigurationText("cache: {ttl: 1m}").read().cache.policy == .lru)
        #expect(try ConfigurationText("cache: {policy: s3fifo}").read().cache.policy == .s3fifo)
    }

    @Test("sizes and durations take each of their units")
    func units() throws {
        let configuration = try ConfigurationText(
            """
            cache: {l1_size_max: 2GiB, l1_item_size_max: 1048577B, ttl: 90m, stale_ttl: 2h}
            redis: {timeout: 20ms, connect_timeout: 3s, value_size_max: 64KiB}
            """
        ).read()
        #expect(configuration.cache.l1SizeMax == 2 << 30)
        #expect(configuration.cache.l1ItemSizeMax == 1_048_577)
        #expect(configuration.cache.ttl == .seconds(5_400))
        #expect(configuration.cache.staleTTL == .seconds(7_200))
        #expect(configuration.redis.timeout == .milliseconds(20))
        #expect(configuration.redis.connectTimeout == .seconds(3))
        #expect(configuration.redis.valueSizeMax == 65_536)
    }

    @Test(
        "prices are kept as whole millionths of a dollar",
        arguments: [("0", 0), ("0.28", 280_000), ("15", 15_000_000), ("0.000001", 1), ("1000000", 1_000_000_000_000)])
    func prices(text: String, micro: Int) throws {
        let configuration = try ConfigurationText("models: {m: {input_per_million_usd: \(text)}}").read()
        #expect(configuration.models["m"] == ModelPrice(inputMicroUSDPerMillion: micro))
    }

    @Test("a file is read by its path, and named by it")
    func file() throws {
        let path = NSTemporaryDirectory() + "samovar-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("debug_headers: true".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try ConfigurationReader.read(path: path, environment: [:]).configuration.debugHeaders)

        try Data("debug_headers: yes".utf8).write(to: URL(fileURLWithPath: path))
        let refused = #expect(throws: ConfigurationErrors.self) {
            try ConfigurationReader.read(path: path, environment: [:])
        }
        #expect(refused?.description == "\(path):1: debug_headers: expected true or false; found 'yes'")
    }

    @Test("a file that is not there, is a directory, or never ends is refused")
    func unreadable() {
        let arguments = [
            "/nowhere/samovar.yaml": "there is no such file", "/": "cannot be read", "/dev/zero": "is larger than 1MiB",
        ]
        for (path, reason) in arguments {
            let refused = #expect(throws: ConfigurationErrors.self) {
                try ConfigurationReader.read(path: path, environment: [:])
            }
            #expect(refused?.description == "\(path): \(reason)")
        }
    }
}
