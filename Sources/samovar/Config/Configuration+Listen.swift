extension Configuration {
    /// Where the process listens, and whom it takes for a caller.
    struct Listen: Hashable, Sendable {
        /// The OpenAI-compatible port.
        var http = ListenAddress.tcp(host: "127.0.0.1", port: 7_600)
        /// The binary port; null: none.
        var binary: ListenAddress? = .tcp(host: "127.0.0.1", port: 7_601)
        var admin = ListenAddress.tcp(host: "127.0.0.1", port: 7_602)
        /// Who drives the connections of the OpenAI-compatible port. Misses are quicker with `nio`, hits with `epoll`.
        var httpDriver = Driver.nio
        /// Who drives the connections of the binary port.
        var binaryDriver = Driver.epoll
        /// Threads for the ports that `epoll` drives; 0 is half of the cores, and one at least.
        var loops = 0
        /// How long an epoll loop looks for more before it sleeps; 0 is not at all. Costs up to a core.
        var spinMax = Duration.zero
        /// The tenant of all callers of routes whose upstreams have their key configured.
        var tenant = "default"
        /// The variable with the token that changes over TCP need on the admin port.
        var adminTokenEnv = "SAMOVAR_ADMIN_TOKEN"
        /// TLS of the data ports over TCP: our certificate chain in PEM, with `keyFile`; null: none. `nio` drives them
        /// then.
        var certFile: String?
        var keyFile: String?
        /// Over TLS, callers must show a certificate that one of these authorities has signed; null: they need none.
        var clientCAFile: String?
        /// The variable with the token that everyone must show over TLS; not set: none.
        var accessTokenEnv = "SAMOVAR_ACCESS_TOKEN"
        /// `Host` names that are accepted besides those of loopback.
        var allowedHosts: [String] = []
        /// `Origin`s that are accepted besides those of loopback.
        var allowedOrigins: [String] = []

        static let keys: [ConfigurationKey<Listen>] = [
            .value("http", \.http, .dataAddress, .restart),
            .optional("binary", \.binary, .dataAddress, .restart),
            .value("admin", \.admin, .listenAddress, .restart),
            .value("http_driver", \.httpDriver, .choice, .restart),
            .value("binary_driver", \.binaryDriver, .choice, .restart),
            .value("loops", \.loops, .count(0...1_024), .restart),
            .value("spin_max", \.spinMax, .shortDuration(.zero...(.milliseconds(1))), .restart),
            .value("tenant", \.tenant, .name, .restart),
            .value("admin_token_env", \.adminTokenEnv, .variableName, .restart),
            .optional("cert_file", \.certFile, .filePath, .restart),
            .optional("key_file", \.keyFile, .filePath, .restart),
            .optional("client_ca_file", \.clientCAFile, .filePath, .restart),
            .value("access_token_env", \.accessTokenEnv, .variableName, .restart),
            .list("allowed_hosts", \.allowedHosts, of: .hostName, .restart),
            .list("allowed_origins", \.allowedOrigins, of: .origin, .restart),
        ]
    }

    /// What stands between a socket and its machine.
    enum Driver: String, Hashable, Sendable, CaseIterable {
        case nio
        case epoll
    }
}
