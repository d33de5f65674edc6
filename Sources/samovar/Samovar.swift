import ArgumentParser

/// The command line: one executable, one verb a command.
@main
struct Samovar: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "samovar",
        abstract: "A caching, coalescing sidecar in front of an LLM API.",
        discussion: """
            Point an application's OpenAI base URL at the sidecar: what was asked before is answered from memory, who \
            asks the same at the same time shares one call.

            Example:
              samovar serve --config samovar.yaml
              samovar ask "What is a samovar?" --model deepseek-chat
              samovar stats
              samovar invalidate --model deepseek-chat
            """,
        version: "0.1.0",
        subcommands: [
            Serve.self, Ask.self, Warm.self, StatsCommand.self, InvalidateCommand.self, Explain.self, Simulate.self,
            Bench.self, ConfigCommand.self,
        ])
}
