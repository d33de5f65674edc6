import ArgumentParser
import Foundation
import SamovarCore
import SamovarWire

/// `samovar invalidate`: makes answers unusable, in all pods.
struct InvalidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invalidate",
        abstract: "Make stored answers unusable, in a running sidecar and in all that share its Redis.",
        discussion: """
            One of --body, --key, --namespace, --model and --tenant says what. Calls that are under way are finished \
            for those who wait for them, and kept for nobody. Exits 1 when nothing was done, 2 when it was done in this \
            sidecar and Redis did not answer.

            A body is looked up as a caller without a credential would ask it; where callers bring their own, take the \
            --key that `samovar explain --api-key-env` prints.

            Example:
              samovar invalidate --model deepseek-chat
              samovar invalidate --body request.json --admin unix:/run/samovar/admin.sock
              samovar invalidate --namespace drafts --admin-token-env SAMOVAR_ADMIN_TOKEN --json
            """)

    @Option(help: "One request: a file with its body; - reads it from standard input.")
    var body: String?

    @Option(help: "Which call --body is for: chat, completions, embeddings. (default: by its members)")
    var kind: String?

    @Option(help: "One request, by its key: 64 hex digits.")
    var key: String?

    @Option(help: "All of one namespace, of --tenant or of callers without a credential of their own.")
    var namespace: String?

    @Option(help: "All that was asked of one model, by all tenants.")
    var model: String?

    @Option(help: "All of one listener's tenant (listen.tenant).")
    var tenant: String?

    @Option(help: "The sidecar's admin port: host:port or unix:/path.")
    var admin = "127.0.0.1:7602"

    @Option(help: "The environment variable with the admin token, needed over TCP. (default: \(Self.tokenEnv))")
    var adminTokenEnv: String?

    @Flag(help: "Print the reply as JSON: removed, shared.")
    var json = false

    private static let tokenEnv = "SAMOVAR_ADMIN_TOKEN"

    func validate() throws {
        let named = [body, key, namespace, model].compactMap { $0 }
        guard named.count == 1 || (named.isEmpty && tenant != nil) else {
            throw ValidationError("give exactly one of --body, --key, --namespace, --model and --tenant")
        }
        guard tenant == nil || named.isEmpty || namespace != nil else {
            throw ValidationError("--tenant goes alone, or with --namespace")
        }
        guard kind == nil || body != nil else { throw ValidationError("--kind goes with --body") }
        if let kind, APIKind(rawValue: kind) == nil || kind == "models" {
            throw ValidationError("--kind takes chat, completions or embeddings")
        }
        if let key, key.utf8.count != 64 || !key.allSatisfy({ $0.isASCII && $0.isHexDigit }) {
            throw ValidationError("--key takes 64 hex digits, as `samovar explain` prints them")
        }
    }

    func run() async throws {
        let client = SidecarClient(server: admin, authorization: try authorization())
        let (status, reply) = try await client.post("/invalidate", body: try question())
        switch status {
        case 200: break
        case 401, 403, 429:
            throw CommandFailure("\(admin): \(ErrorText.message(in: reply) ?? "refused"); see --admin-token-env")
        case 404, 405: throw CommandFailure("\(admin) answered \(status); is it the admin port?")
        default: throw CommandFailure("\(admin): \(ErrorText.message(in: reply) ?? "status \(status)")")
        }
        guard let outcome = try? JSONDecoder().decode(Outcome.self, from: Data(reply)) else {
            throw CommandFailure("\(admin) answered what is no reply; is it the admin port?")
        }
        if json {
            emit(String(decoding: reply, as: UTF8.self))
        } else {
            let entries = outcome.removed == 1 ? "entry" : "entries"
            emit("\(outcome.removed) \(entries) removed from this sidecar's memory\n")
        }
        guard outcome.shared else {
            note("Redis did not answer: other sidecars serve what they have, by its own lifetime or until it is back")
            throw ExitCode(2)
        }
    }

    private struct Outcome: Decodable {
        let removed: Int
        let shared: Bool
    }

    private func authorization() throws -> Secret? {
        // The variable that is the default need not be set: a Unix socket wants no token.
        if adminTokenEnv == nil, Environment.all[Self.tokenEnv]?.isEmpty != false { return nil }
        return try SidecarClient.authorization(env: adminTokenEnv ?? Self.tokenEnv)
    }

    /// What the admin port is sent: the body goes into it as it is.
    private func question() throws -> [UInt8] {
        func member(_ name: String, _ text: String) -> String { "\"\(name)\":\(JSONLog.quoted(text))" }
        if let body { return try question(file: body) }
        let members = [
            key.map { member("key", $0) }, namespace.map { member("namespace", $0) },
            model.map { member("model", $0) }, tenant.map { member("tenant", $0) },
        ]
        return Array("{\(members.compactMap { $0 }.joined(separator: ","))}".utf8)
    }

    private func question(file: String) throws -> [UInt8] {
        let bytes = try BodyFile(file).bytes()
        do throws(BodyError) {
            let canonical = try CanonicalBody(bytes)
            let kind = kind ?? APIKind(guessedFrom: canonical).rawValue
            return Array("{\"kind\":\"\(kind)\",\"body\":".utf8) + bytes + Array("}".utf8)
        } catch {
            throw CommandFailure("\(file): \(error.message)")
        }
    }
}
