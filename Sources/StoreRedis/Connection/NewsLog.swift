import Logging
import SamovarEngine

/// Writes `ConnectionNews` down.
final class NewsLog: Sendable {
    private let news = Lock(ConnectionNews())
    private let logger: Logger

    /// What every line begins with.
    private let subject: String

    /// - Parameter name: what the server is called, where there are several.
    init(logger: Logger, of name: String? = nil) {
        self.logger = logger
        subject = name.map { "redis: \($0)" } ?? "redis"
    }

    func connected() {
        write(news.withLock { $0.connected() })
    }

    func failed(_ loss: ConnectionLoss) {
        write(news.withLock { $0.failed(loss) })
    }

    private func write(_ line: ConnectionNews.Line?) {
        switch line {
        case nil: return
        case .connected: logger.notice("\(subject): connected")
        case .notYet(let reason): logger.warning("\(subject): not connected yet, going on without it: \(reason)")
        case .refused(let reason): logger.error("\(subject): cannot be used: \(reason)")
        }
    }
}
