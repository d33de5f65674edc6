import ArgumentParser

/// `samovar serve`: runs the sidecar.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the sidecar.",
        discussion: """
            Prints one JSON line with its addresses when it serves. SIGTERM drains, SIGHUP reloads.

            Example:
              samovar serve --config samovar.yaml
              SAMOVAR__LISTEN__HTTP=127.0.0.1:0 samovar serve --config samovar.yaml
            """)

    @Option(name: .shortAndLong, help: "The configuration file.")
    var config: String?

    func run() async throws {
        let environment = Environment.all
        let reading = try ConfigurationFile(path: config).read(environment)
        for warning in reading.warnings { note("samovar: warning: \(warning.rendered(file: config))") }
        try reading.configuration.checkServable()
        let secrets = try reading.configuration.secrets(environment: environment)
        try await Daemon(reading.configuration, path: config).run(secrets: secrets)
    }
}

/// The configuration that a command was given, or the defaults with the environment over them.
struct ConfigurationFile {
    let path: String?

    func read(_ environment: [String: String]) throws(ConfigurationErrors) -> ConfigurationReader.Reading {
        if let path { return try ConfigurationReader.read(path: path, environment: environment) }
        return try ConfigurationReader(file: "environment", environment: environment).read("")
    }
}
