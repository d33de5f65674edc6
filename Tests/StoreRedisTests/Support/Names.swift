import NIOPosix
import SamovarCore
import SamovarEngine

@testable import SamovarStoreRedis

/// How a request's answer is called in Redis.
func name(_ number: Int) -> String {
    String(decoding: KeyName(keyPrefix: "samovar:").bytes(Sample.key(number)), as: UTF8.self)
}

extension HashSlot {
    init(of name: String) { self.init(of: Array(name.utf8)) }
}

extension Primaries {
    static func forTest(_ settings: RedisSettings, log: LogLines = LogLines()) throws -> Primaries {
        let counters = RedisCounters()
        return Primaries(
            try settings.deployment(), lineCount: settings.connectionCount,
            group: MultiThreadedEventLoopGroup.singleton,
            clock: SystemClock(), logger: log.logger
        ) { name in
            Gates(
                settings.breaker, name: name, counters: counters, clock: SystemClock(), logger: log.logger)
        }
    }

    /// Sends one command about this name, with time for a busy machine, and returns its reply, if any.
    func command(_ words: [String], at name: String) async -> RESPValue? {
        await exchange(words, at: name).outcome.reply
    }

    func exchange(_ words: [String], at name: String, timeout: Duration = .seconds(10)) async -> RedisClient.Exchange {
        await send([words.map { Array($0.utf8) }], at: Array(name.utf8), timeout: timeout)
    }
}

extension Result where Success == [RESPValue], Failure == CommandFailure {
    var reply: RESPValue? { try? get().first }
}
