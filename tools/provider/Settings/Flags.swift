import ArgumentParser

/// The settings as flags: `first_token_ms` is `--first-token-ms`. Ranges are checked where `/control` has them checked.
struct Flags: ParsableArguments {
    @Option(help: "Milliseconds to the first token; for JSON, to the answer.") var firstTokenMs: Int?
    @Option(help: "Milliseconds from token to token; for JSON, added for each token.") var tokenMs: Int?
    @Option(help: "Milliseconds to a JSON answer, instead of the two above.") var jsonMs: Int?
    @Option(help: "Milliseconds of silence after the 200 head, before all else.") var silentMs: Int?
    @Option(help: "Milliseconds between signs of life in that silence; 0: none (default: 1000).") var keepAliveMs: Int?

    @Option(help: "Tokens of every answer (default: 20 + first digest byte mod 30).") var tokens: Int?
    @Flag(help: "Write the attempt's number into every token.") var markAttempts = false
    @Flag(help: "Streams do not end until the caller closes.") var endless = false
    @Flag(help: "Pad every chunk with an \"obfuscation\" of random length.") var obfuscation = false
    @Flag(help: "End lines of event streams with CRLF.") var crlf = false
    @Flag(help: "Leave out data: [DONE].") var noDone = false

    @Option(help: "Calls a second, above which 429; 0: no limit.") var capacityPerSecond: Double?
    @Option(help: "Calls at once before that rate counts (default: one second's worth).") var capacityBurst: Int?
    @Option(help: "Calls being answered at once, above which 503; 0: no limit.") var concurrentMax: Int?

    @Option(help: "Seed of errors and obfuscation (default: 1).") var seed: Int?
    @Option(help: "Share of calls answered with the error status, 0 to 1.") var errorRate: Double?
    @Option(help: "That status (default: 500).") var errorStatus: Int?
    @Option(help: "Answer every call with this status.") var status: Int?
    @Option(help: "Seconds in the Retry-After of that answer.") var retryAfter: Int?
    @Option(help: "Close the connection after so many tokens; in mid-body for JSON.") var cutAfterTokens: Int?
    @Option(help: "End a stream with an error event after so many tokens.") var errorAfterTokens: Int?
    @Flag(name: .customLong("error-under-200"), help: "Answer 200 with an error for a body.") var errorUnder200 = false
    @Flag(help: "Refuse \"stream\": true with 400.") var refuseStream = false
    @Flag(help: "Refuse stream_options with 400.") var refuseStreamOptions = false
    @Option(help: "Refuse embeddings with an input at this place, 0 for the first, by that place.") var refuseInput:
        Int?
    @Option(help: "Refuse embeddings with an input that holds this text, by its place.") var refuseInputText: String?
    @Flag(help: "Answer embeddings of several inputs with the first two in each other's place.") var swapInputs = false
    @Option(help: "Content type of every 200 answer.") var contentType: String?
    @Option(help: "Body of every 200 answer, sent as it stands.") var bodyOverride: String?
    @Flag(help: "Answer 64 KiB of gzip that inflate to 10 MiB of zeros.") var gzipBomb = false
    @Option(help: "Redirect every call to this URL with 302.") var redirectTo: String?

    /// Those that were given, under their names in `/control`.
    var given: [JSON.Member] {
        let all: [(String, JSON?)] = [
            ("first_token_ms", Self.json(firstTokenMs)), ("token_ms", Self.json(tokenMs)),
            ("json_ms", Self.json(jsonMs)), ("silent_ms", Self.json(silentMs)),
            ("keep_alive_ms", Self.json(keepAliveMs)),
            ("tokens", Self.json(tokens)), ("mark_attempts", Self.json(markAttempts)),
            ("endless", Self.json(endless)), ("obfuscation", Self.json(obfuscation)),
            ("crlf", Self.json(crlf)), ("no_done", Self.json(noDone)),
            ("capacity_per_second", capacityPerSecond.map(JSON.number)),
            ("capacity_burst", Self.json(capacityBurst)), ("concurrent_max", Self.json(concurrentMax)),
            ("seed", Self.json(seed)), ("error_rate", errorRate.map(JSON.number)),
            ("error_status", Self.json(errorStatus)), ("status", Self.json(status)),
            ("retry_after", Self.json(retryAfter)), ("cut_after_tokens", Self.json(cutAfterTokens)),
            ("error_after_tokens", Self.json(errorAfterTokens)), ("error_under_200", Self.json(errorUnder200)),
            ("refuse_stream", Self.json(refuseStream)), ("refuse_stream_options", Self.json(refuseStreamOptions)),
            ("refuse_input", Self.json(refuseInput)), ("refuse_input_text", refuseInputText.map(JSON.string)),
            ("swap_inputs", Self.json(swapInputs)),
            ("content_type", contentType.map(JSON.string)), ("body_override", bodyOverride.map(JSON.string)),
            ("gzip_bomb", Self.json(gzipBomb)), ("redirect_to", redirectTo.map(JSON.string)),
        ]
        return all.compactMap { name, value in value.map { JSON.Member(name: name, value: $0) } }
    }

    /// - Throws: `ValidationError` naming the flag and its range.
    func settings() throws -> Settings {
        var settings = Settings()
        do {
            try settings.apply(given)
        } catch .outOfRange(let name, let range) {
            let flag = name.replacing("_", with: "-")
            throw ValidationError("--\(flag) takes \(range.replacing(", or null", with: "")).")
        } catch .unknown(let name) {
            preconditionFailure("the flag for \(name) sets nothing")
        }
        return settings
    }

    private static func json(_ whole: Int?) -> JSON? {
        whole.map { .number(Double($0)) }
    }

    private static func json(_ flag: Bool) -> JSON? {
        flag ? .bool(true) : nil
    }
}
