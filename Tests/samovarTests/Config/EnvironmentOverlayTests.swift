import Testing

@testable import samovar

struct EnvironmentOverlayTests {
    private let file = """
        listen:
          http: 127.0.0.1:1000
        upstreams:
          - name: a
            url: http://a
        """

    @Test("a variable overrides the file, and the defaults")
    func overrides() throws {
        let configuration = try ConfigurationText(
            file,
            environment: [
                "SAMOVAR__LISTEN__HTTP": "127.0.0.1:2000",
                "SAMOVAR__LISTEN__BINARY": "unix:/run/samovar.sock",
                "SAMOVAR__CACHE__TTL": "2h",
                "SAMOVAR__DEBUG_HEADERS": "true",
                "SAMOVAR__LOG__LEVEL": "debug",
            ]
        ).read()
        #expect(configuration.listen.http == .tcp(host: "127.0.0.1", port: 2_000))
        #expect(configuration.listen.binary == .unix(path: "/run/samovar.sock"))
        #expect(configuration.cache.ttl == .seconds(7_200))
        #expect(configuration.debugHeaders)
        #expect(configuration.log.level == .debug)
        #expect(configuration.upstreams.map(\.name) == ["a"])
    }

    @Test("case does not matter")
    func anyCase() throws {
        let configuration = try ConfigurationText("", environment: ["Samovar__cache__Ttl": "2h"]).read()
        #expect(configuration.cache.ttl == .seconds(7_200))
    }

    @Test("an empty variable unsets a key that may be absent")
    func unset() throws {
        let text = ConfigurationText("redis: {url: redis://h}", environment: ["SAMOVAR__REDIS__URL": ""])
        #expect(try text.read().redis.url == nil)
        #expect(
            ConfigurationText("", environment: ["SAMOVAR__CACHE__TTL": ""]).complaints.first?.hasPrefix(
                "SAMOVAR__CACHE__TTL: cache.ttl: expected a duration") == true)
    }

    @Test("an upstream is named by its index, and the index after the last adds one")
    func upstreams() throws {
        let configuration = try ConfigurationText(
            file,
            environment: [
                "SAMOVAR__UPSTREAMS__0__URL": "https://elsewhere/v1",
                "SAMOVAR__UPSTREAMS__1__URL": "http://b",
                "SAMOVAR__UPSTREAMS__1__NAME": "b",
                "SAMOVAR__UPSTREAMS__1__WEIGHT": "3",
            ]
        ).read()
        #expect(configuration.upstreams.map(\.name) == ["a", "b"])
        #expect(configuration.upstreams.map(\.url) == ["https://elsewhere/v1", "http://b"])
        #expect(configuration.upstreams.map(\.weight) == [1, 3])
    }

    @Test("more than ten upstreams are added in the order of their index")
    func manyUpstreams() throws {
        var environment: [String: String] = [:]
        for index in 0..<12 {
            environment["SAMOVAR__UPSTREAMS__\(index)__NAME"] = "u\(index)"
            environment["SAMOVAR__UPSTREAMS__\(index)__URL"] = "http://u\(index)"
        }
        let configuration = try ConfigurationText("", environment: environment).read()
        #expect(configuration.upstreams.map(\.name) == (0..<12).map { "u\($0)" })
    }

    @Test(
        "a variable that does not fit is named, with what was probably meant",
        arguments: [
            ("SAMOVAR__LISTEN__HTP", "x", "listen.htp: unknown key; did you mean 'SAMOVAR__LISTEN__HTTP'?"),
            ("SAMOVAR__LISTN__HTTP", "x", "listn: unknown key; did you mean 'SAMOVAR__LISTEN__HTTP'?"),
            ("samovar__cache__tll", "1h", "cache.tll: unknown key; did you mean 'SAMOVAR__CACHE__TTL'?"),
            (
                "SAMOVAR__UPSTREAMS__0__ULR", "x",
                "upstreams[0].ulr: unknown key; did you mean 'SAMOVAR__UPSTREAMS__0__URL'?"
            ),
            ("SAMOVAR__FROBNICATE", "x", "frobnicate: unknown key; known here: listen, redis"),
            (
                "SAMOVAR__CACHE__TTL", "60",
                "cache.ttl: expected a duration with its unit (ms, s, m, h) from 0 to 8760h; found '60'"
            ),
            ("SAMOVAR__LISTEN__HTTP", "0.0.0.0:80", "listen.http: '0.0.0.0:80' can be reached from other machines"),
            ("SAMOVAR__LISTEN", "x", "listen: expected a mapping; found a single value"),
            (
                "SAMOVAR__LISTEN__ALLOWED_HOSTS", "x",
                "listen.allowed_hosts: expected a list; found a single value; lists are set in the file"
            ),
            ("SAMOVAR__UPSTREAMS", "x", "upstreams: expected a list; found a single value"),
            ("SAMOVAR__UPSTREAMS__2__URL", "x", "upstreams: expected an index from 0 to 1, where 1 adds one"),
            ("SAMOVAR__UPSTREAMS__A__URL", "x", "upstreams: expected an index from 0 to 1"),
            ("SAMOVAR__UPSTREAMS__00__URL", "x", "upstreams: expected an index from 0 to 1"),
            ("SAMOVAR__UPSTREAMS__-1__URL", "x", "upstreams: expected an index from 0 to 1"),
            ("SAMOVAR__UPSTREAMS__0", "x", "upstreams[0]: expected a mapping; found a single value"),
            ("SAMOVAR__ROUTES__0__TTL", "1h", "routes: is set in the file, not in the environment"),
            ("SAMOVAR__MODELS__M__INPUT_PER_MILLION_USD", "1", "models: is set in the file, not in the environment"),
            ("SAMOVAR__CACHE__TTL__X", "1", "cache.ttl: expected a duration"),
            ("SAMOVAR__", "1", "expected names with two underscores between them"),
            ("SAMOVAR__CACHE____TTL", "1h", "expected names with two underscores between them"),
        ])
    func doesNotFit(variable: String, value: String, complaint: String) {
        let complaints = ConfigurationText(file, environment: [variable: value]).complaints
        #expect(complaints.first?.hasPrefix("\(variable): \(complaint)") == true, "\(complaints)")
    }

    @Test("two variables for one key are refused")
    func twins() {
        let environment = ["SAMOVAR__CACHE__TTL": "1h", "samovar__cache__ttl": "2h"]
        #expect(
            ConfigurationText("", environment: environment).complaints == [
                "samovar__cache__ttl: sets the same key as SAMOVAR__CACHE__TTL"
            ])
    }

    @Test("names with one underscore are not ours to read")
    func oneUnderscore() throws {
        let environment = ["SAMOVAR_ADMIN_TOKEN": "t", "SAMOVAR_LISTEN_HTTP": "x", "HOME": "/", "SAMOVAR": ""]
        #expect(try ConfigurationText("", environment: environment).read() == Configuration())
    }

    @Test("the value of a variable is never taken for YAML")
    func noYAML() throws {
        let configuration = try ConfigurationText("", environment: ["SAMOVAR__REDIS__KEY_PREFIX": "{a: *b}"]).read()
        #expect(configuration.redis.keyPrefix == "{a: *b}")
    }

    @Test("what a variable has set is named by the variable when it does not fit the rest")
    func checksNameTheVariable() {
        #expect(
            ConfigurationText("cache: {l1_size_max: 1MiB}", environment: ["SAMOVAR__CACHE__L1_ITEM_SIZE_MAX": "2MiB"])
                .complaints == [
                    "SAMOVAR__CACHE__L1_ITEM_SIZE_MAX: cache.l1_item_size_max: is 2MiB, "
                        + "more than the 1MiB of cache.l1_size_max"
                ])
    }
}
