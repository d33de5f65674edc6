import Testing

@testable import samovar

struct ConfigurationReloadTests {
    private let old = """
        upstreams:
          - {name: a, url: "https://a"}
        """

    private func changes(_ new: String) throws -> [String] {
        let old = try ConfigurationText(old).read()
        return try ConfigurationText(new).read().changesNeedingRestart(from: old)
    }

    @Test("the same configuration needs no restart")
    func same() throws {
        #expect(try changes(old) == [])
    }

    @Test(
        "these change with a reload",
        arguments: [
            "routes: [{name: x, ttl: 1m}]", "models: {m: {input_per_million_usd: 1}}", "passthrough: [/v1/x]",
            "log: {level: debug}",
            "cache: {ttl: 1m, stale_ttl: 1m, hit_for_miss_ttl: 1m}",
            "limits: {flights_max: 1, answer_size_max: 1MiB, idle_timeout: 1s}",
            "drain: {grace: 1s}", "debug_headers: true",
            "admission: {enabled: false, tenant: {requests_per_second: 2}, retry_ratio: 0}",
            "routes: [{name: x, class: batch, queue_timeout: 1m}]",
        ])
    func live(yaml: String) throws {
        #expect(try changes("\(old)\n\(yaml)") == [])
    }

    @Test(
        "these need a restart, and are named",
        arguments: [
            ("listen: {http: \"127.0.0.1:1\", tenant: x}", ["listen.http", "listen.tenant"]),
            ("redis: {url: redis://h, timeout: 1ms}", ["redis.url", "redis.timeout"]),
            (
                "cache: {ttl: 1m, l1_size_max: 1GiB, l1_item_size_max: 1MiB, policy: s3fifo}",
                ["cache.l1_size_max", "cache.l1_item_size_max", "cache.policy"]
            ),
            ("limits: {connections_max: 1, flights_max: 1}", ["limits.connections_max"]),
        ])
    func restart(yaml: String, paths: [String]) throws {
        #expect(try changes("\(old)\n\(yaml)") == paths)
    }

    @Test("a changed upstream is named by its index, a changed number of them as a whole")
    func upstreams() throws {
        #expect(
            try changes("upstreams: [{name: a, url: \"https://b\", weight: 2}]") == [
                "upstreams[0].url"
            ])
        #expect(try changes("upstreams: []") == ["upstreams"])
    }

    @Test("a changed password is seen, though it is masked wherever it is printed")
    func password() throws {
        let old = try ConfigurationText("redis: {url: \"redis://:a@h\"}").read()
        let new = try ConfigurationText("redis: {url: \"redis://:b@h\"}").read()
        #expect(new.changesNeedingRestart(from: old) == ["redis.url"])
    }
}
