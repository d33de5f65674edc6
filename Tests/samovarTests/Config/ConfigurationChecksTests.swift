import Testing

@testable import samovar

struct ConfigurationChecksTests {
    private func upstreams(_ lines: String...) -> String {
        "upstreams:\n" + lines.map { "  - {\($0)}\n" }.joined()
    }

    @Test(
        "keys that do not fit each other are refused, with the line of the one that is wrong",
        arguments: [
            (
                "cache:\n  l1_size_max: 1MiB\n  l1_item_size_max: 1025KiB", 3, "cache.l1_item_size_max",
                "is 1025KiB, more than the 1MiB"
            ),
            (
                "listen:\n  http: 127.0.0.1:1\n  admin: 127.0.0.1:1", 3, "listen.admin",
                "is the same address as listen.http"
            ),
            (
                "listen: {http: \"unix:/a\", admin: \"unix:/a\"}", 1, "listen.admin",
                "is the same address as listen.http"
            ),
            ("listen:\n  binary: 127.0.0.1:7602", 2, "listen.binary", "is the same address as listen.admin"),
            ("listen:\n  key_file: a", 2, "listen.key_file", "needs cert_file beside it"),
            ("listen:\n  client_ca_file: a", 2, "listen.client_ca_file", "is for TLS"),
            ("redis:\n  cert_file: a", 2, "redis.cert_file", "needs key_file beside it"),
            ("redis:\n  key_file: a", 2, "redis.key_file", "needs cert_file beside it"),
            (
                "redis:\n  url: redis://:pw@h\n  password_env: P", 3, "redis.password_env",
                "the url has a password already"
            ),
            (
                "redis:\n  url: redis://h\n  ca_file: a", 3, "redis.ca_file",
                "is for TLS, and redis:// is not; write rediss://"
            ),
            (
                "redis:\n  url: redis+cluster://h\n  ca_file: a", 3, "redis.ca_file",
                "is for TLS, and redis+cluster:// is not; write rediss+cluster://"
            ),
            (
                "redis:\n  url: redis://h\n  sentinel_password_env: P", 3, "redis.sentinel_password_env",
                "is for sentinels, and redis:// names none; write redis+sentinel://"
            ),
            (
                "redis:\n  url: redis+sentinel://h/m\n  sentinel_user: u", 3, "redis.sentinel_user",
                "needs sentinel_password_env beside it"
            ),
            ("routes:\n  - name: a\n  - name: a", 3, "routes[1].name", "'a' is also the name of routes[0]"),
            (
                "routes:\n  - name: a\n    deadline: {first_token: 11m}", 3, "routes[0].deadline.first_token",
                "is longer than deadline.total, which is 10m"
            ),
            (
                "routes:\n  - name: a\n    deadline:\n     between_tokens: 20s\n     total: 10s\n     first_token: 9s",
                4, "routes[0].deadline.between_tokens", "is longer than deadline.total, which is 10s"
            ),
            (
                "routes:\n  - name: a\n    upstreams:\n      - gone", 4, "routes[0].upstreams[0]",
                "there is no upstream 'gone'; none is configured"
            ),
            (
                "routes:\n  - name: a\n    match: {path: /chat/completions}\n    batch: {}", 4, "routes[0].batch",
                "is for /v1/embeddings, and the route takes /v1/chat/completions only"
            ),
            (
                "routes:\n  - name: a\n    deadline: {first_token: 10ms}\n    batch: {window: 10ms}", 4,
                "routes[0].batch.window", "is not shorter than deadline.first_token, which is 10ms"
            ),
            (
                "routes:\n  - name: a\n    batch: {size_max: 1}", 3, "routes[0].batch.size_max",
                "expected a whole number from 2 to 2048; found '1'"
            ),
            ("passthrough:\n  - /v1/embeddings", 2, "passthrough[0]", "is answered from the cache"),
            ("passthrough: [/chat/completions]", 1, "passthrough[0]", "is answered from the cache"),
        ])
    func misfits(yaml: String, line: Int, path: String, message: String) {
        let complaints = ConfigurationText(yaml).complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.hasPrefix("samovar.yaml:\(line): \(path): \(message)") == true, "\(complaints)")
    }

    @Test("an unknown upstream is answered with the nearest one, or with all")
    func unknownUpstream() {
        let two = upstreams("name: deepseek, url: http://a", "name: openai, url: http://b")
        #expect(
            ConfigurationText(two + "routes:\n  - name: a\n    upstreams: [openai, depseek]\n").complaints == [
                "samovar.yaml:6: routes[0].upstreams[1]: there is no upstream 'depseek'; did you mean 'deepseek'?"
            ])
        #expect(
            ConfigurationText(two + "routes:\n  - name: a\n    upstreams: [local]\n").complaints == [
                "samovar.yaml:6: routes[0].upstreams[0]: there is no upstream 'local'; there are deepseek, openai"
            ])
    }

    @Test("two upstreams of one name are refused")
    func twins() {
        #expect(
            ConfigurationText(upstreams("name: a, url: http://a", "name: a, url: http://b")).complaints == [
                "samovar.yaml:3: upstreams[1].name: 'a' is also the name of upstreams[0]"
            ])
    }

    @Test("a CA for an upstream without TLS is refused")
    func caWithoutTLS() {
        #expect(
            ConfigurationText(upstreams("name: a, url: http://a, ca_file: x")).complaints == [
                "samovar.yaml:2: upstreams[0].ca_file: is for TLS, and the url is http://; write https://"
            ])
    }

    @Test("a route has upstreams with a key or without, never both")
    func mixedCredentials() {
        let mixed = upstreams("name: ours, url: http://a, api_key_env: K", "name: theirs, url: http://b")
        let written = ConfigurationText(
            mixed + "routes:\n  - {name: default, upstreams: [ours]}\n  - {name: both, upstreams: [ours, theirs]}\n"
        ).complaints
        #expect(written.count == 1)
        #expect(
            written[0].hasPrefix(
                "samovar.yaml:6: routes[1].upstreams: the route 'both' has 'ours' with api_key_env and 'theirs' without"
            ))

        let implied = ConfigurationText(mixed + "routes:\n  - {name: a, upstreams: [ours]}\n").complaints
        #expect(implied.count == 1)
        #expect(implied[0].contains("the route 'default', which asks all upstreams, has 'ours' with api_key_env"))

        let parted =
            "routes:\n  - {name: a, match: {model: x}, upstreams: [theirs]}\n  - {name: default, upstreams: [ours]}\n"
        #expect(ConfigurationText(mixed + parted).complaints == [])
    }

    @Test("a key that could not be read does not make its upstream look as if it had none")
    func noFollowUp() {
        let complaints = ConfigurationText(
            upstreams("name: a, url: http://a, api_key_env: sk-canary", "name: b, url: http://b, api_key_env: K")
        ).complaints
        #expect(complaints.count == 1)
    }

    @Test("a route that can never match is a warning")
    func unreachable() throws {
        #expect(
            try ConfigurationText(
                "routes:\n  - name: all\n  - {name: b, match: {path: /completions}}\n  - {name: x, match: {model: m}}"
            ).warnings == [
                "samovar.yaml:3: routes[1]: never matches: routes[0] takes all of its requests",
                "samovar.yaml:4: routes[2]: never matches: routes[0] takes all of its requests",
            ])
        #expect(try ConfigurationText("routes:\n  - {name: a, match: {path: /models}}\n  - name: b").warnings == [])
    }

    @Test("sentinels and clusters are taken without a word")
    func topologies() throws {
        for url in [
            "redis+cluster://a,b", "rediss+cluster://a", "redis+sentinel://a,b/main/1", "rediss+sentinel://a/m",
        ] {
            let text = ConfigurationText("redis:\n  url: \(url)")
            #expect(try text.complaints == [] && text.warnings == [])
        }
        let text = ConfigurationText(
            "redis: {url: \"redis+sentinel://a/main\", sentinel_user: u, sentinel_password_env: P}")
        #expect(text.complaints == [])
    }

    @Test("a user in the url takes its password from the environment")
    func userInURL() throws {
        let text = ConfigurationText("redis: {url: \"redis://app@h\", password_env: P}")
        #expect(text.complaints == [])
    }

    @Test("two listeners on port 0 are two ports")
    func anyPort() throws {
        let configuration = try ConfigurationText("listen: {http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}").read()
        #expect(configuration.listen.http == .tcp(host: "127.0.0.1", port: 0))
    }

    @Test("without an upstream there is nothing to serve")
    func servable() throws {
        let refused = #expect(throws: ConfigurationErrors.self) { try Configuration().checkServable() }
        #expect(refused?.description == "upstreams: no upstream is configured")
        try ConfigurationText(upstreams("name: a, url: http://a")).read().checkServable()
    }
}
