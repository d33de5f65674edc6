import ArgumentParser
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

@main
struct Provider: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider",
        abstract: "A stand-in for an LLM provider, whose answers certify themselves.",
        discussion: """
            Serves POST /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models as OpenAI does, with \
            and without /v1. Token i of an answer is "<digest>.<i> ", the last "<digest>.end", where the digest is the \
            first 12 hex digits of SHA-256 over role + "\\n" + text + "\\n" of every message.

            GET and POST /control read and change all settings below while it runs (first_token_ms for \
            --first-token-ms; null for the default). GET /counts tells what was asked, POST /counts/reset forgets it.

            Example:
              provider --listen 127.0.0.1:8080 --first-token-ms 300 --token-ms 20
              curl -N 127.0.0.1:8080/v1/chat/completions -d '{"model":"m",
                "stream":true,"messages":[{"role":"user","content":"hi"}]}'
              curl 127.0.0.1:8080/control -d '{"error_rate":0.1,"error_status":503}'
              curl 127.0.0.1:8080/counts
            """)

    @Option(help: "Host and port to listen on; port 0 for any that is free.")
    var listen = ListenAddress(argument: "127.0.0.1:0")!

    @Option(help: "Event loops, each a thread: 1 to 64.")
    var loops = 1

    @Option(help: "Environment variable that holds the API key callers must show; without it none is asked for.")
    var apiKeyEnv: String?

    @OptionGroup(title: "Settings")
    var flags: Flags

    func validate() throws {
        guard (1...64).contains(loops) else { throw ValidationError("--loops takes a whole number from 1 to 64.") }
        _ = try flags.settings()
        _ = try apiKey()
    }

    func run() throws {
        Self.exitOnSignals()
        let desk = Desk(try flags.settings(), apiKey: try apiKey())
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let listener = try Listener.bind(listen, desk: desk, on: group)
        let host = listen.host.contains(":") ? "[\(listen.host)]" : listen.host
        print(#"{"event":"ready","http":"\#(host):\#(listener.localAddress?.port ?? listen.port)"}"#)
        fflush(nil)
        try listener.closeFuture.wait()
    }

    private func apiKey() throws -> String? {
        guard let apiKeyEnv else { return nil }
        guard let key = getenv(apiKeyEnv).map({ String(cString: $0) }), !key.isEmpty else {
            throw ValidationError("--api-key-env takes the name of a variable that is set; \(apiKeyEnv) is not.")
        }
        return key
    }

    /// At once, whatever is being answered. A parent may have started us with these signals blocked.
    private static func exitOnSignals() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT] {
            signal(number) { _ in _exit(0) }
            sigaddset(&signals, number)
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }
}
