import Testing

@testable import samovar

struct ConfigurationRenderingTests {
    @Test("what is rendered is read back as the same configuration")
    func roundTrip() throws {
        let configuration = try ConfigurationText(
            """
            listen:
              http: "[::1]:0"
              binary: unix:/run/b c.sock
              allowed_hosts: [a.example, "[::1]"]
              allowed_origins: ["https://a.example:8443"]
            redis: {url: "rediss+cluster://a:1,b:2", key_prefix: "null: \\"x\\\\y\\" #", ca_file: "~/ca é.pem"}
            cache: {l1_size_max: 1025KiB, ttl: 61s, stale_ttl: 0}
            upstreams:
              - {name: "null", url: "https://a/v1", weight: 1000, upstream_form: stream, usage_chunk: leave}
              - name: "true"
                url: "https://b"
                tier: burst
                requests_per_second: 0.125
                burst: 3
                tokens_per_minute: 90000
                concurrency_max: 64
                queue_max: 0
                slow_start: 0
                breaker: {window: 5s, volume_min: 1, error_ratio: 0.25, slow_ratio: 1, slow_after: 2s, sleep: 500ms}
            admission: {enabled: false, tenant: {requests_per_second: 2.5, burst: 10}, model_share: 0.5, retry_ratio: 0}
            routes:
              - name: "1"
                match: {path: /embeddings, model: "*: [a]"}
                batch: {window: 7ms}
                upstreams: ["true"]
                key: {ignore: ["a\\tb", user]}
              - {name: default, class: batch, queue_timeout: 61s, sampling: bypass, store_length: true, deadline: {total: 61s}}
            passthrough: [/v1/moderations, "/x%2Fy,z"]
            models: {"a: b": {output_per_million_usd: 0.000001}, c: {input_per_million_usd: 1.5}}
            log: {level: trace}
            debug_headers: true
            """
        ).read()
        let rendered = configuration.render()
        #expect(try ConfigurationText(rendered).read() == configuration.resolved)
    }

    @Test("the defaults are rendered as the example has them")
    func defaults() {
        let rendered = Configuration().render()
        #expect(
            rendered.hasPrefix(
                """
                listen:
                  http: 127.0.0.1:7600
                  binary: 127.0.0.1:7601
                  admin: 127.0.0.1:7602
                  http_driver: nio
                  binary_driver: epoll
                  loops: 0
                  spin_max: 0
                  tenant: default
                  admin_token_env: SAMOVAR_ADMIN_TOKEN
                  cert_file: null
                  key_file: null
                  client_ca_file: null
                  access_token_env: SAMOVAR_ACCESS_TOKEN
                  allowed_hosts: []
                  allowed_origins: []
                redis:
                  url: null
                  key_prefix: "samovar:"
                  timeout: 50ms

                """))
        #expect(
            rendered.contains(
                """
                routes:
                  - name: default
                    match:
                      path: null
                      model: "*"
                    upstreams: []
                    ttl: 1h
                    stale_ttl: 24h
                    sampling: share

                """))
        #expect(rendered.contains("\nupstreams: []\nadmission:\n  enabled: true\n"))
        #expect(rendered.contains("\n  l1_item_size_max: 32MiB\n"))
        #expect(rendered.contains("\nmodels: {}\n"))
        #expect(rendered.hasSuffix("\ndebug_headers: false\n"))
    }

    @Test("only the names of variables are rendered")
    func noSecrets() throws {
        let text = ConfigurationText(
            """
            redis: {url: "redis://:canary@h"}
            upstreams:
              - {name: a, url: "https://a", api_key_env: KEY}
            """, environment: ["KEY": "canary", "SAMOVAR_ADMIN_TOKEN": "canary"])
        let rendered = try text.read().render()
        #expect(rendered.contains("  url: \"redis://:***@h\"\n"))
        #expect(rendered.contains("    api_key_env: KEY\n"))
        #expect(!rendered.contains("canary"))
    }
}
