import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite("Redis URL")
struct RedisURLTests {
    @Test("everything that a URL may say is read")
    func whole() throws {
        let url = try RedisURL(parsing: "rediss://alice:p%40ss%2Fword@cache.example:6380/12")
        #expect(url.kind == .single(.tcp(host: "cache.example", port: 6_380)))
        #expect(url.usesTLS)
        #expect(url.user == "alice")
        #expect(url.password == Secret("p@ss/word"))
        #expect(url.database == 12)
    }

    @Test("what is left out has a default")
    func defaults() throws {
        for text in ["redis://localhost", "redis://localhost/"] {
            let url = try RedisURL(parsing: text)
            #expect(url.kind == .single(.tcp(host: "localhost", port: 6_379)))
            #expect(!url.usesTLS && url.user == nil && url.password == nil && url.database == 0)
        }
        #expect(try RedisURL(parsing: "redis://:secret@h").password == Secret("secret"))
        #expect(try RedisURL(parsing: "redis://:secret@h").user == nil)
        #expect(try RedisURL(parsing: "redis://bob@h").user == "bob")
    }

    @Test("an IPv6 address stands in brackets")
    func ipv6() throws {
        #expect(try RedisURL(parsing: "redis://[::1]:7000/1").kind == .single(.tcp(host: "::1", port: 7_000)))
        #expect(try RedisURL(parsing: "redis://[::1]").kind == .single(.tcp(host: "::1", port: 6_379)))
    }

    @Test("a password may hold @ unescaped, as the last one counts")
    func atSign() throws {
        let url = try RedisURL(parsing: "redis://u:a@b@h:1")
        #expect(url.kind == .single(.tcp(host: "h", port: 1)))
        #expect(url.password == Secret("a@b"))
    }

    @Test("a Unix socket has a path, and its database in the query")
    func unix() throws {
        let url = try RedisURL(parsing: "unix:///run/redis/redis.sock?db=2")
        #expect(url.kind == .single(.unix(path: "/run/redis/redis.sock")))
        #expect(url.database == 2)
        let withPassword = try RedisURL(parsing: "unix://alice:secret@/run/redis.sock")
        #expect(withPassword.user == "alice" && withPassword.password == Secret("secret"))
        #expect(withPassword.database == 0)
    }

    @Test("sentinels stand before the name of the service whose primary they know")
    func sentinels() throws {
        let url = try RedisURL(parsing: "redis+sentinel://bob:pw@a,b:7000,[::1],a/my-main.1_2/3")
        let hosts: [Endpoint.Address] = [
            .tcp(host: "a", port: 26_379), .tcp(host: "b", port: 7_000), .tcp(host: "::1", port: 26_379),
        ]
        #expect(url.kind == .sentinel(hosts, SentinelWords(service: "my-main.1_2")))
        #expect(url.user == "bob" && url.password == Secret("pw") && url.database == 3 && !url.usesTLS)
        let short = try RedisURL(parsing: "rediss+sentinel://a/main")
        #expect(short.kind == .sentinel([.tcp(host: "a", port: 26_379)], SentinelWords(service: "main")))
        #expect(short.usesTLS && short.database == 0 && short.user == nil && short.password == nil)
    }

    @Test("a cluster's nodes stand beside each other")
    func cluster() throws {
        let url = try RedisURL(parsing: "redis+cluster://:pw@a:7000,b")
        #expect(url.kind == .cluster([.tcp(host: "a", port: 7_000), .tcp(host: "b", port: 6_379)]))
        #expect(url.password == Secret("pw") && url.database == 0 && !url.usesTLS)
        #expect(try RedisURL(parsing: "rediss+cluster://a/").usesTLS)
    }

    @Test(
        "what is wrong is named, and nothing of a password is shown",
        arguments: [
            ("localhost:6379", "no scheme"),
            ("http://hunter2", "unknown scheme"),
            ("redis+sentinel://:hunter2@h", "name of the service"),
            ("redis+sentinel://:hunter2@h/", "name of the service"),
            ("redis+sentinel://:hunter2@h/a%20b", "name of the service"),
            ("redis+sentinel://:hunter2/@h/main", "name of the service"),
            ("redis+sentinel://h/main/hunter2", "the database is not a number"),
            ("redis+sentinel://h/main/0/hunter2", "the database is not a number"),
            ("redis+sentinel://h,,i/main", "no host"),
            ("redis+cluster://", "no host"),
            ("redis+cluster://h/0", "no databases"),
            ("redis+cluster://u:hunter2/x@h", "the port is not a number"),
            ("redis+cluster://h:1,h:port", "the port is not a number"),
            ("redis+cluster://\((0...16).map { "h\($0)" }.joined(separator: ","))", "more than 16 hosts"),
            ("rediss+other://h", "unknown scheme"),
            ("redis://", "no host"),
            ("redis://:hunter2@", "no host"),
            ("redis://u:hunter2@h:port", "the port is not a number"),
            ("redis://u:hunter2@h:70000", "the port is not a number"),
            ("redis://u:hunter2@h:0", "the port is not a number"),
            ("redis://u:hunter2/more@h", "the port is not a number"),
            ("redis://h/hunter2", "the database is not a number"),
            ("redis://h/-1", "the database is not a number"),
            ("redis://u:hunter2%zz@h", "the password holds a %"),
            ("redis://u:hunter2%@h", "the password holds a %"),
            ("redis://u:hunter2%ff@h", "the password is not text"),
            ("redis://u:hunter2#x@h", "? and # have no meaning"),
            ("redis://[::1", "has no ]"),
            ("unix://run/redis.sock", "absolute path"),
            ("unix://", "absolute path"),
            ("unix:///s?hunter2=1", "?db=<number>"),
            ("unix:///s?db=x", "the database is not a number"),
        ])
    func wrong(text: String, expected: String) {
        #expect {
            try RedisURL(parsing: text)
        } throws: { error in
            let description = "\(error)"
            return description.contains(expected) && !description.contains("hunter2")
        }
    }

    @Test("settings printed by accident show no password")
    func printed() {
        let settings = RedisSettings(url: "redis://u:hunter2@h", password: Secret("hunter2"))
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!"\(settings) \(String(reflecting: settings)) \(dumped)".contains("hunter2"))
    }

    @Test("settings that cannot work are refused by name")
    func settings() {
        func description(_ settings: RedisSettings) -> String? {
            do {
                _ = try settings.lineSettings()
                return nil
            } catch {
                return error.description
            }
        }
        var settings = RedisSettings(url: "redis://bob@h")
        #expect(description(settings)?.contains("user bob has no password") == true)
        settings.password = Secret("hunter2")
        #expect(description(settings) == nil)
        settings.connectionCount = 0
        #expect(description(settings)?.hasPrefix("connection_count") == true)
        settings = RedisSettings(url: "redis+sentinel://h/main", sentinelUser: "bob")
        #expect(description(settings)?.contains("sentinel_password_env") == true)
        settings.sentinelPassword = Secret("hunter2")
        #expect(description(settings) == nil)
        #expect(description(RedisSettings(url: "redis+cluster://h", keyPrefix: "a{b:"))?.contains("key_prefix") == true)
        #expect(description(RedisSettings(url: "redis+sentinel://h/m", keyPrefix: "a{b:")) == nil)
        settings.url = "redis+cluster://h"
        #expect(description(settings)?.contains("is not redis+sentinel://") == true)
        settings = RedisSettings(url: "redis://h", timeout: .zero)
        #expect(description(settings)?.hasPrefix("timeout") == true)
        settings = RedisSettings(url: "redis://h", tls: .init(caFile: "/nowhere.pem"))
        #expect(description(settings)?.contains("rediss://") == true)
        settings = RedisSettings(url: "rediss://h", tls: .init(caFile: "/nowhere.pem"))
        #expect(description(settings)?.contains("/nowhere.pem") == true)
        settings = RedisSettings(url: "rediss://h", tls: .init(keyFile: "/nowhere.key"))
        #expect(description(settings)?.contains("needs its key") == true)
    }
}
