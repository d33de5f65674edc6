import SamovarCore

/// The secrets whose names a configuration holds.
struct ConfigurationSecrets: Hashable, Sendable {
    /// Nil where the variable is not set: then nothing can be changed over TCP.
    var adminToken: Secret?
    /// Nil where the variable is not set: then nobody is asked for one.
    var accessToken: Secret?
    var redisPassword: Secret?
    var sentinelPassword: Secret?
    /// By the upstream's name; those that are asked with the caller's own key are absent.
    var apiKeys: [String: Secret] = [:]
}

extension Configuration {
    /// Takes the secrets out of the environment.
    ///
    /// - Throws: an error for each variable that is needed and not set, or that holds what no header can carry.
    func secrets(environment: [String: String]) throws(ConfigurationErrors) -> ConfigurationSecrets {
        var findings = ConfigurationFindings()
        var secrets = ConfigurationSecrets()
        let hasAdminToken = environment[listen.adminTokenEnv]?.isEmpty == false
        if hasAdminToken {
            secrets.adminToken = Self.token(listen.adminTokenEnv, of: "listen.admin_token_env", environment, &findings)
        }
        if listen.certFile != nil, environment[listen.accessTokenEnv]?.isEmpty == false {
            secrets.accessToken = Self.token(
                listen.accessTokenEnv, of: "listen.access_token_env", environment, &findings)
        } else if listen.certFile != nil, listen.clientCAFile == nil {
            for (name, address) in listen.reachable {
                findings.error(
                    "listen.\(name)",
                    "'\(address)' can be reached from other machines, and whoever comes would be let in; set a token "
                        + "in \(listen.accessTokenEnv) (listen.access_token_env) or listen.client_ca_file")
            }
        }
        if redis.url != nil, let name = redis.passwordEnv {
            secrets.redisPassword = Self.secret(name, of: "redis.password_env", environment, &findings)
        }
        if redis.url?.namesSentinels == true, let name = redis.sentinelPasswordEnv {
            secrets.sentinelPassword = Self.secret(
                name, of: "redis.sentinel_password_env", environment, &findings)
        }
        for (index, upstream) in upstreams.enumerated() {
            guard let name = upstream.apiKeyEnv else { continue }
            let path = "upstreams[\(index)].api_key_env"
            secrets.apiKeys[upstream.name] = Self.token(name, of: path, environment, &findings)
        }
        guard findings.errors.isEmpty else { throw ConfigurationErrors(file: nil, errors: findings.errors) }
        return secrets
    }

    /// What only serving needs: an empty configuration is a good one to check, not to serve.
    func checkServable() throws(ConfigurationErrors) {
        guard upstreams.isEmpty else { return }
        let error = ConfigurationError(path: "upstreams", place: .nowhere, message: "no upstream is configured")
        throw ConfigurationErrors(file: nil, errors: [error])
    }

    private static func secret(
        _ name: String, of path: String, _ environment: [String: String], _ findings: inout ConfigurationFindings
    ) -> Secret? {
        guard let text = environment[name], !text.isEmpty else {
            findings.error(
                path, "the environment variable \(name) is \(environment[name] == nil ? "not set" : "empty")")
            return nil
        }
        return Secret(text)
    }

    /// A secret that goes into a header. A line break at its end, left by whoever read it from a file, would not.
    private static func token(
        _ name: String, of path: String, _ environment: [String: String], _ findings: inout ConfigurationFindings
    ) -> Secret? {
        guard let secret = secret(name, of: path, environment, &findings) else { return nil }
        guard secret.revealed.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            findings.error(
                path,
                "the environment variable \(name) holds a character that no header can carry, "
                    + "such as a space or a line break")
            return nil
        }
        return secret
    }
}
