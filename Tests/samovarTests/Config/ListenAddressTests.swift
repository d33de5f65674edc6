import Testing

@testable import samovar

struct ListenAddressTests {
    @Test(
        "an address of this machine is read",
        arguments: [
            ("127.0.0.1:7600", ListenAddress.tcp(host: "127.0.0.1", port: 7_600)),
            ("127.1.2.3:0", .tcp(host: "127.1.2.3", port: 0)),
            ("[::1]:65535", .tcp(host: "::1", port: 65_535)),
            ("[0:0:0:0:0:0:0:1]:1", .tcp(host: "0:0:0:0:0:0:0:1", port: 1)),
            ("localhost:80", .tcp(host: "localhost", port: 80)),
            ("LocalHost:80", .tcp(host: "localhost", port: 80)),
            ("unix:/run/samovar/http.sock", .unix(path: "/run/samovar/http.sock")),
        ])
    func read(text: String, address: ListenAddress) throws {
        #expect(try ConfigurationText("listen: {http: \"\(text)\"}").read().listen.http == address)
    }

    @Test(
        "an address that other machines can reach is refused, and the message says which ones are not",
        arguments: [
            "0.0.0.0:7600", "10.0.0.1:7600", "192.168.1.1:0", "128.0.0.1:1", "[::]:7600", "[fe80::1]:1",
            "[::ffff:127.0.0.1]:1",
        ])
    func reachable(text: String) {
        let complaints = ConfigurationText("listen:\n  http: \"\(text)\"").complaints
        #expect(complaints.count == 1)
        #expect(complaints[0].hasPrefix("samovar.yaml:2: listen.http: "))
        #expect(complaints[0].contains("can be reached from other machines"))
        #expect(complaints[0].contains("listen on 127.0.0.1, [::1], localhost or unix:/path"))
        let admin = ConfigurationText("listen:\n  cert_file: /c\n  key_file: /k\n  admin: \"\(text)\"").complaints
        #expect(admin.count == 1)
        #expect(admin.first?.hasPrefix("samovar.yaml:4: listen.admin: ") == true)
    }

    @Test("an address that other machines can reach is taken with TLS and a token or an authority, and not without")
    func guarded() throws {
        let tls = "listen: {http: \"0.0.0.0:1\", cert_file: /c, key_file: /k"
        let open = try ConfigurationText("\(tls)}").read()
        let refused = #expect(throws: ConfigurationErrors.self) { try open.secrets(environment: [:]) }
        #expect(refused?.description.contains("listen.http: '0.0.0.0:1' can be reached from other machines") == true)
        #expect(refused?.description.contains("SAMOVAR_ACCESS_TOKEN") == true)
        #expect(try open.secrets(environment: ["SAMOVAR_ACCESS_TOKEN": "t"]).accessToken?.revealed == "t")
        let known = try ConfigurationText("\(tls), client_ca_file: /a}").read()
        #expect(try known.secrets(environment: [:]).accessToken == nil)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "7600", ":7600", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
            "127.0.0.1:007",
            "127.1:80", "127.0.0.01:80", "127.0.0.1:80:80", "::1:80", "[::1]", "[::1]80", "[127.0.0.1]:80",
            "[::1%lo]:80",
            "example.com:80", "localhost.example.com:80", "unix:", "unix:/", "unix:run/a.sock", "unix:/run/",
            "http://127.0.0.1:80",
        ])
    func malformed(text: String) {
        let complaints = ConfigurationText("listen: {http: \"\(text)\"}").complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.contains("expected 127.0.0.1:port, [::1]:port, localhost:port or unix:/path") == true)
    }

    @Test("the path of a Unix socket fits into its address")
    func longPath() {
        let fits = "unix:/" + String(repeating: "x", count: 106)
        #expect(ConfigurationText("listen: {http: \"\(fits)\"}").complaints == [])
        #expect(
            ConfigurationText("listen: {http: \"\(fits)x\"}").complaints.first?.contains("at most 107 bytes") == true)
    }
}
