import ArgumentParser
struct Warm: AsyncParsableCommand {
    func run() async throws {}
}
