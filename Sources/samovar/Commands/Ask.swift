import ArgumentParser
import Foundation
import SamovarClient
import SamovarCore
import SamovarEngine
import SamovarWire

/// `samovar ask`: one prompt through the sidecar, printed as it streams.
struct Ask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask one prompt through a running sidecar.",
        discussion: """
            Prints the answer as it streams, then how it was answered and how long it took.

            Example:
              samovar ask "What is a samovar?" --model deepseek-chat
              samovar ask "What is a samovar?" --json
              samovar ask "What is a samovar?" --binary --server unix:/run/samovar/binary.sock
            """)

    @Argument(help: "The prompt; - reads it from standard input.")
    var prompt: String

    @Option(help: "The sidecar's port: host:port or unix:/path. (default: 127.0.0.1:7600, with --binary :7601)")
    var server: String?

    @Flag(help: "Ask over the binary protocol.")
    var binary = false

    @Option(help: "The model to ask.")
    var model = "deepseek-chat"

    @Option(help: "The environment variable that holds the API key to send along.")
    var apiKeyEnv: String?

    @Flag(help: "Never a stored answer.")
    var noCache = false

    @Flag(help: "Print one JSON object: text, result, milliseconds, tenant.")
    var json = false

    func run() async throws {
        let text =
            prompt == "-" ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : prompt
        let clock = SystemClock()
        let start = clock.now
        let authorization = try SidecarClient.authorization(env: apiKeyEnv)
        let answer = Answering(prints: !json)
        let (result, tenant) =
            binary
            ? try await askBinary(try body(text), authorization, answer)
            : try await askHTTP(try body(text), authorization, answer)
        report(answer.text, result, start.duration(to: clock.now), tenant ?? "unknown")
    }

    private func askHTTP(
        _ body: [UInt8], _ authorization: Secret?, _ answer: Answering
    ) async throws -> (result: String, tenant: String?) {
        let client = SidecarClient(server: server ?? "127.0.0.1:7600", authorization: authorization)
        let response = try await client.ask(.chat, body: body)
        guard response.status == .ok else {
            throw CommandFailure("the sidecar answered \(response.status.code): \(await response.errorMessage())")
        }
        do {
            for try await piece in response.body { try answer.take(Array(piece.readableBytesView)) }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure("the answer broke off")
        }
        return (response.result, response.headers.first(name: "x-samovar-tenant"))
    }

    private func askBinary(
        _ body: [UInt8], _ authorization: Secret?, _ answer: Answering
    ) async throws -> (result: String, tenant: String?) {
        var settings = SamovarClient.Settings()
        settings.authorization = authorization.map { SamovarClient.Secret($0.revealed) }
        settings.software = "samovar-ask"
        var options = SamovarClient.Options()
        options.showsTenant = true
        let stream: SamovarClient.AnswerStream
        do throws(SamovarClient.Failure) {
            let client = try SamovarClient(address: server ?? "127.0.0.1:7601", settings: settings)
            stream = try await client.stream(body, options: options)
        } catch {
            throw CommandFailure("the sidecar's binary port: \(error)")
        }
        do {
            for try await event in stream { try answer.take(event) }
        } catch let failure as SamovarClient.Failure {
            throw CommandFailure("the answer broke off: \(failure.message)")
        }
        return (stream.origin.result.rawValue, stream.origin.tenant)
    }

    private func body(_ text: String) throws -> [UInt8] {
        var request: [String: Any] = [
            "model": model, "messages": [["role": "user", "content": text]], "stream": true,
        ]
        if noCache { request["cache"] = ["no-cache": true] }
        return Array(try JSONSerialization.data(withJSONObject: request, options: [.sortedKeys]))
    }

    private func report(_ text: String, _ result: String, _ took: Duration, _ tenant: String) {
        let time = took < .milliseconds(10) ? "\(took.nanoseconds / 1_000) us" : "\(took.milliseconds) ms"
        if json {
            print(
                "{\"milliseconds\":\(Double(took.nanoseconds / 1_000) / 1_000),\"result\":\"\(result)\","
                    + "\"tenant\":\(JSONLog.quoted(tenant)),\"text\":\(JSONLog.quoted(text))}")
        } else {
            emit("\n")
            note("\(result) in \(time), tenant \(tenant)")
        }
    }
}

/// Gathers a streamed answer, and prints it as it comes.
private final class Answering {
    private(set) var text = ""
    private let prints: Bool
    private var decoder = EventDecoder(eventSizeMax: 16 << 20)

    init(prints: Bool) { self.prints = prints }

    func take(_ bytes: [UInt8]) throws {
        for event in try decoder.feed(bytes) {
            if let message = ErrorText.message(in: event.data) {
                throw CommandFailure("the answer broke off: \(message)")
            }
            guard let piece = DeltaText.content(in: event.data) else { continue }
            text += piece
            guard prints else { continue }
            emit(piece)
        }
    }
}
