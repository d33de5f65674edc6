import SamovarCore
import Testing

@testable import samovar

struct ConfigurationSecretsTests {
    private let text = ConfigurationText(
        """
        redis: {url: redis://h, password_env: REDIS_PASSWORD}
        upstreams:
          - {name: a, url: "https://a", api_key_env: KEY_A}
          - {name: b, url: "https://b", api_key_env: KEY_B}
        """)

    @Test("secrets come from the variables that the configuration names")
    func found() throws {
        let secrets = try text.read().secrets(environment: [
            "KEY_A": "sk-a", "KEY_B": "sk-b", "REDIS_PASSWORD": "with space", "SAMOVAR_ADMIN_TOKEN": "t",
        ])
        #expect(
            secrets
                == ConfigurationSecrets(
                    adminToken: Secret("t"), redisPassword: Secret("with space"),
                    apiKeys: ["a": Secret("sk-a"), "b": Secret("sk-b")]))
        #expect(!"\(secrets)".contains("sk-"))
    }

    @Test("what sentinels want to know is asked for where there are sentinels")
    func sentinels() throws {
        let text = "redis: {url: \"URL\", sentinel_password_env: S}"
        let behind = try ConfigurationText(text.replacing("URL", with: "redis+sentinel://a/main")).read()
        #expect(try behind.secrets(environment: ["S": "pw"]).sentinelPassword == Secret("pw"))
        let refused = #expect(throws: ConfigurationErrors.self) { try behind.secrets(environment: [:]) }
        #expect(
            refused?.description == "redis.sentinel_password_env: the environment variable S is not set")
    }

    @Test("every variable that is missing is named, and nothing of what others hold is shown")
    func missing() throws {
        let configuration = try text.read()
        let refused = #expect(throws: ConfigurationErrors.self) {
            try configuration.secrets(environment: [
                "KEY_A": "", "REDIS_PASSWORD": "", "SAMOVAR_ADMIN_TOKEN": "canary\n",
            ])
        }
        #expect(
            refused?.description == """
                listen.admin_token_env: the environment variable SAMOVAR_ADMIN_TOKEN holds a character that no header \
                can carry, such as a space or a line break
                redis.password_env: the environment variable REDIS_PASSWORD is empty
                upstreams[0].api_key_env: the environment variable KEY_A is empty
                upstreams[1].api_key_env: the environment variable KEY_B is not set
                """)
    }

    @Test("without an admin token, without Redis and without keys nothing is needed")
    func nothingNeeded() throws {
        let configuration = try ConfigurationText("redis: {password_env: P}\nupstreams: [{name: a, url: http://a}]")
            .read()
        #expect(try configuration.secrets(environment: [:]) == ConfigurationSecrets())
        #expect(try configuration.secrets(environment: ["SAMOVAR_ADMIN_TOKEN": ""]).adminToken == nil)
    }
}
