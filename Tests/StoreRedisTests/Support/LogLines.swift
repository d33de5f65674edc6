import Logging
import SamovarEngine

/// Everything that was logged, and who waits for more.
final class LogLines: Sendable {
    private struct State {
        var lines: [String] = []
        var waiting: [(text: String, continuation: AsyncStream<Void>.Continuation)] = []
    }

    private let state = Lock(State())

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    var all: [String] { state.withLock { $0.lines } }
    func count(containing text: String) -> Int { all.count { $0.contains(text) } }

    /// Returns as soon as a line with this text has been logged, or the test is cancelled.
    func wait(for text: String) async {
        let (logged, continuation) = AsyncStream.makeStream(of: Void.self)
        let isThere = state.withLock { state in
            if state.lines.contains(where: { $0.contains(text) }) { return true }
            state.waiting.append((text, continuation))
            return false
        }
        if isThere { return }
        for await _ in logged {}
    }

    fileprivate func append(_ line: String) {
        let woken = state.withLock { state in
            state.lines.append(line)
            let woken = state.waiting.filter { line.contains($0.text) }.map(\.continuation)
            state.waiting.removeAll { line.contains($0.text) }
            return woken
        }
        for continuation in woken { continuation.finish() }
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.append("\(event.level) \(event.message)")
        }
    }
}
