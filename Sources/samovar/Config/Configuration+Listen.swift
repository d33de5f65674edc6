extension Configuration {
    /// Where the process listens, and whom it takes for a caller.
    struct Listen: Hashable, Sendable {
        /// The OpenAI-compatible port.
        var http = ListenAddress.tcp(host: "127.0.0.1", port: 7_600)
        /// The binary port, which this version does not serve.
        var binary: ListenAddress?
        var admin = ListenAddress.tcp(host: "127.0.0.1", port: 7_602)
        /// The tenant of all callers of routes whose upstreams have their key configured.
        var tenant = "default"
        /// The variable with the token that changes over TCP need on the admin port.
        var adminTokenEnv = "SAMOVAR_ADMIN_TOKEN"
        /// `Host` names that are accepted besides those of loopback.
        var allowedHosts: [String] = []
        /// `Origin`s that are accepted besides those of loopback.
        var allowedOrigins: [String] = []

        static let keys: [ConfigurationKey<Listen>] = [
            .value("http", \.http, .listenAddress, .restart),
            .optional("binary", \.binary, .listenAddress, .restart),
            .value("admin", \.admin, .listenAddress, .restart),
            .value("tenant", \.tenant, .name, .restart),
            .value("admin_token_env", \.adminTokenEnv, .variableName, .restart),
            .list("allowed_hosts", \.allowedHosts, of: .hostName, .restart),
            .list("allowed_origins", \.allowedOrigins, of: .origin, .restart),
        ]
    }
}
