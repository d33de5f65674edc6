import Testing

@testable import samovar

/// The URLs of upstreams and of the second cache: what is accepted, and that nothing secret is shown.
struct ConfigurationURLTests {
    private func upstream(_ url: String) -> ConfigurationText {
        ConfigurationText("upstreams:\n  - name: a\n    url: \"\(url)\"")
    }

    private func redis(_ url: String) -> ConfigurationText { ConfigurationText("redis:\n  url: \"\(url)\"") }

    @Test(
        "an upstream is where an API begins",
        arguments: [
            "https://api.deepseek.com/v1", "http://127.0.0.1:8000", "HTTPS://host/", "http://[::1]:80/a/b",
            "http://my_host",
        ])
    func upstreamURL(url: String) throws {
        #expect(try upstream(url).read().upstreams[0].url == url)
    }

    @Test(
        "a URL that no upstream can have is refused without being shown",
        arguments: [
            ("", "http:// or https:// with a host"),
            ("api.deepseek.com/canary", "http:// or https:// with a host"),
            ("ftp://canary", "http:// or https:// with a host"),
            ("https:///canary", "http:// or https:// with a host"),
            ("https:canary", "http:// or https:// with a host"),
            ("https://canary:0", "http:// or https:// with a host"),
            ("https://canary:99999", "http:// or https:// with a host"),
            ("https://ca nary", "http:// or https:// with a host"),
            ("https://canary,b", "http:// or https:// with a host"),
            ("https://[canary]", "http:// or https:// with a host"),
            ("https://user:canary@host/v1", "secrets come from the environment (api_key_env)"),
            ("https://canary@host", "secrets come from the environment (api_key_env)"),
            ("https://host/v1?key=canary", "a URL has no query and no fragment here"),
            ("https://host/v1#canary", "a URL has no query and no fragment here"),
        ])
    func noUpstreamURL(url: String, message: String) {
        let complaints = upstream(url).complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.hasPrefix("samovar.yaml:3: upstreams[0].url: ") == true)
        #expect(complaints.first?.contains(message) == true, "\(complaints)")
        #expect(complaints.first?.contains("canary") == false)
    }

    @Test(
        "a second cache is printed with its password masked",
        arguments: [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("rediss://h", "rediss://h"),
            ("redis://:canary@h:1/2", "redis://:***@h:1/2"),
            ("redis://user:canary@h", "redis://user:***@h"),
            ("redis://user:can@ary:x@h", "redis://user:***@h"),
            ("redis://canary@h", "redis://***@h"),
            ("redis+sentinel://:canary@a:1,b:2/main/3", "redis+sentinel://:***@a:1,b:2/main/3"),
            ("redis+cluster://a:1,[::1]:2", "redis+cluster://a:1,[::1]:2"),
            ("rediss+sentinel://u:canary@a/main", "rediss+sentinel://u:***@a/main"),
            ("rediss+cluster://:canary@a,b", "rediss+cluster://:***@a,b"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock"),
            ("unix://u:canary@/run/a%20b.sock?db=3", "unix://u:***@/run/a%20b.sock?db=3"),
            ("redis://:can%2Fary%40@h", "redis://:***@h"),
        ])
    func storeURL(url: String, masked: String) throws {
        let configuration = try redis(url).read()
        #expect(configuration.redis.url?.text.revealed == url)
        #expect(configuration.redis.url?.description == masked)
        var dumped = ""
        dump(configuration, to: &dumped)
        for output in ["\(configuration)", String(reflecting: configuration), dumped, configuration.render()] {
            #expect(!output.contains("canary"))
        }
    }

    @Test(
        "a URL that no second cache can have is refused without being shown",
        arguments: [
            "", "canary", "http://canary", "redis://", "redis://:canary@", "redis://h/canary", "redis://h/0/canary",
            "redis://a,canary",
            "redis://h?password=canary", "redis://:can/ary@h", "redis+cluster://canary/0", "redis+sentinel://canary",
            "rediss+cluster://canary/0", "rediss+sentinel://canary", "redis+other://canary",
            "unix://canary/x",
            "unix://", "unix:/canary", "unix:///canary?x=1", "unix:///canary?db=x",
            "redis://:canary%@h", "redis://:canary%zz@h", "redis://canary:0", "redis://h:canary", "redis://h/-1canary",
        ])
    func noStoreURL(url: String) {
        let complaints = redis(url).complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.hasPrefix("samovar.yaml:2: redis.url: expected redis://, rediss://") == true)
        #expect(complaints.first?.contains("canary") == false)
    }

    @Test(
        "a key in place of its variable's name is refused without being shown",
        arguments: ["sk-canary", "canary", "canary0123", "0CANARY", ""])
    func keyInPlaceOfName(text: String) {
        let yaml = ConfigurationText(
            """
            listen: {admin_token_env: "\(text)"}
            redis: {password_env: "\(text)"}
            upstreams:
              - {name: a, url: "http://a", api_key_env: "\(text)"}
            """)
        let complaints = yaml.complaints
        #expect(complaints.count == 3)
        for complaint in complaints {
            #expect(complaint.contains("expected the name of an environment variable (capital letters, digits, '_')"))
            #expect(!complaint.lowercased().contains("canary"))
        }
    }

    @Test("broken YAML is described without showing any of it")
    func brokenYAML() {
        for yaml in [
            "redis: {url: canary", "a: b: canary", "redis: \"canary", "canary: *canary", "redis: &canary x",
            "!canary x",
        ] {
            let complaints = ConfigurationText(yaml).complaints
            #expect(complaints.count == 1)
            #expect(complaints.first?.contains("canary") == false, "\(complaints)")
        }
    }
}
