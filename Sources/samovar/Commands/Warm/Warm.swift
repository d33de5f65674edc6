import ArgumentParser
import Foundation
import SamovarCore
import SamovarEngine

/// `samovar warm`: asks a file of bodies through the sidecar, so that they are hits later.
struct Warm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fill the cache from a file of request bodies, one a line.",
        discussion: """
            Each line is the JSON body of a chat, completions or embeddings call. Where it stopped is kept in \
            FILE.samovar-resume, and the next run goes on there; lines that failed are asked again. Exits 1 when a \
            line failed.

            Example:
              samovar warm prompts.jsonl --concurrency 8 --rate 20
              samovar warm prompts.jsonl --dry-run
            """)

    @Argument(help: "The file of bodies (JSONL).")
    var file: String

    @Option(help: "The sidecar's data port: host:port or unix:/path.")
    var server = "127.0.0.1:7600"

    @Option(help: "Requests a second at most; 0 is no limit.")
    var rate = 0.0

    @Option(help: "Requests at once, 1 to 256.")
    var concurrency = 4

    @Option(help: "The environment variable that holds the API key to send along.")
    var apiKeyEnv: String?

    @Option(help: "Where to keep what is done; FILE.samovar-resume if not given.")
    var resumeFile: String?

    @Flag(help: "Begin at the first line, whatever an earlier run has done.")
    var restart = false

    @Flag(help: "Check every line and say what would be asked; ask nothing.")
    var dryRun = false

    @Flag(help: "Print the summary as one JSON object.")
    var json = false

    func validate() throws {
        guard (1...256).contains(concurrency) else { throw ValidationError("--concurrency takes 1 to 256") }
        guard rate >= 0, rate <= 100_000 else { throw ValidationError("--rate takes 0 to 100000 requests a second") }
    }

    func run() async throws {
        let lines = try WarmFile(file)
        let resume = WarmResume(path: resumeFile ?? file + ".samovar-resume", of: lines)
        let remaining = restart ? WarmProgress() : try resume.load()
        if dryRun { return try preview(lines, remaining) }
        let client = SidecarClient(server: server, authorization: try SidecarClient.authorization(env: apiKeyEnv))
        let run = WarmRun(lines: lines, client: client, resume: resume, rate: rate, concurrency: concurrency)
        let summary = try await run.run(from: remaining, quiet: json)
        emit(json ? summary.json + "\n" : summary.text + "\n")
        if summary.failedCount > 0 { throw ExitCode(1) }
    }

    private func preview(_ lines: WarmFile, _ remaining: WarmProgress) throws {
        var kinds: [APIKind: Int] = [:]
        var bad: [String] = []
        var keys: Set<[UInt8]> = []
        for (number, line) in lines.numbered(remaining) {
            do throws(BodyError) {
                let body = try CanonicalBody(line)
                kinds[APIKind(guessedFrom: body), default: 0] += 1
                keys.insert(body.digest().bytes)
            } catch {
                bad.append("\(file):\(number): \(error.message)")
            }
        }
        for line in bad { note(line) }
        let asked = kinds.values.reduce(0, +)
        if json {
            emit("{\"bad\":\(bad.count),\"distinct\":\(keys.count),\"lines\":\(lines.count),\"to_ask\":\(asked)}\n")
        } else {
            let detail = kinds.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.value) \($0.key.rawValue)" }
            emit(
                "would ask \(asked) of \(lines.count) lines (\(detail.joined(separator: ", "))), \(keys.count) distinct\n"
            )
        }
        if !bad.isEmpty { throw ExitCode(1) }
    }
}
