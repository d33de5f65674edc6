import Testing

@testable import samovar

/// A configuration as a test writes it: its text, and the environment that lies over it.
struct ConfigurationText {
    var yaml: String
    var environment: [String: String] = [:]

    init(_ yaml: String, environment: [String: String] = [:]) {
        self.yaml = yaml
        self.environment = environment
    }

    /// What it is read as; the test fails where it is refused.
    func read() throws -> Configuration { try reading().configuration }

    func reading() throws -> ConfigurationReader.Reading {
        do {
            return try ConfigurationReader(environment: environment).read(yaml)
        } catch {
            Issue.record("refused:\n\(error)")
            throw error
        }
    }

    /// The lines that an operator sees; empty where it is accepted.
    var complaints: [String] {
        do {
            _ = try ConfigurationReader(environment: environment).read(yaml)
            return []
        } catch {
            return error.errors.map { $0.rendered(file: error.file) }
        }
    }

    var warnings: [String] {
        get throws { try reading().warnings.map { $0.rendered(file: "samovar.yaml") } }
    }
}
