import Logging
import SamovarEngine

/// Writes `ConnectionNews` down.
final class NewsLog: Sendable {
    private let news = Lock(ConnectionNews())
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
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
        case .connected: logger.notice("redis: connected")
        case .notYet(let reason): logger.warning("redis: not connected yet, going on without it: \(reason)")
        case .refused(let reason): logger.error("redis: cannot be used: \(reason)")
        }
    }
}
