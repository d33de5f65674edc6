import ArgumentParser

/// `samovar config`: about the configuration.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check or show the configuration.", subcommands: [Check.self, Show.self])

    /// `samovar config check`.
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what is wrong with a configuration file, all at once.",
            discussion: """
                Names each unknown key with its line and the nearest match. Exits 1 when something is wrong.

                Example:
                  samovar config check --config samovar.yaml
                """)

        @Option(name: .shortAndLong, help: "The configuration file.")
        var config: String

        func run() async throws {
            let environment = Environment.all
            let reading = try ConfigurationFile(path: config).read(environment)
            for warning in reading.warnings { note("warning: \(warning.rendered(file: config))") }
            try reading.configuration.checkServable()
            _ = try reading.configuration.secrets(environment: environment)
            print(
                "\(config): ok, \(reading.configuration.upstreams.count) upstreams, \(reading.configuration.routes.count) routes"
            )
        }
    }

    /// `samovar config show`.
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print every key with its effective value, secrets masked.",
            discussion: """
                Example:
                  samovar config show --config samovar.yaml
                """)

        @Option(name: .shortAndLong, help: "The configuration file.")
        var config: String?

        func run() async throws {
            print(try ConfigurationFile(path: config).read(Environment.all).configuration.render(), terminator: "")
        }
    }
}
