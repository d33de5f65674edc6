import Foundation

/// Reads a configuration strictly: whatever is not understood is an error, and all errors are found at once.
struct ConfigurationReader {
    /// What was read, and what is worth saying about it.
    struct Reading: Hashable, Sendable {
        var configuration: Configuration
        var warnings: [ConfigurationError]
    }

    /// The name of the file in messages.
    let file: String
    let environment: [String: String]

    init(file: String = "samovar.yaml", environment: [String: String] = [:]) {
        self.file = file
        self.environment = environment
    }

    /// Reads the file at a path.
    static func read(path: String, environment: [String: String]) throws(ConfigurationErrors) -> Reading {
        let reader = ConfigurationReader(file: path, environment: environment)
        let bytes: Data
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? handle.close() }
            // One byte more than is allowed is enough to see that there are too many.
            bytes = try handle.read(upToCount: ConfigurationDocument.sizeMax + 1) ?? Data()
        } catch {
            let reason =
                (error as? CocoaError)?.code == .fileReadNoSuchFile ? "there is no such file" : "cannot be read"
            throw reader.failure([ConfigurationError(path: "", place: .nowhere, message: reason)])
        }
        return try reader.read([UInt8](bytes))
    }

    /// Reads the file's text, with the environment laid over it.
    func read(_ text: String) throws(ConfigurationErrors) -> Reading {
        try read(Array(text.utf8))
    }

    /// Reads the file's bytes, with the environment laid over them.
    func read(_ bytes: [UInt8]) throws(ConfigurationErrors) -> Reading {
        var root: ConfigurationNode
        do {
            root = try ConfigurationDocument.parse(bytes)
        } catch {
            throw failure([error])
        }
        var findings = ConfigurationFindings()
        EnvironmentOverlay(environment).apply(to: &root, &findings)
        var configuration = Configuration()
        root.read(into: &configuration, Configuration.keys, at: "", &findings)
        if !configuration.routes.contains(where: { $0.name == RouteConfiguration.default.name }) {
            configuration.routes.append(.default)
        }
        ConfigurationChecks(configuration: configuration).run(&findings)
        guard findings.errors.isEmpty else { throw failure(findings.errors) }
        return Reading(configuration: configuration, warnings: findings.warnings)
    }

    private func failure(_ errors: [ConfigurationError]) -> ConfigurationErrors {
        ConfigurationErrors(file: file, errors: errors)
    }
}
