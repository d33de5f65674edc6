import Foundation
import Testing

extension RealProcesses {
    /// The time of day may jump.
    @Suite("the time of day")
    struct TimeOfDay {
        /// What the process takes for the time of day, by its last log line.
        private static func loggedTime(_ sidecar: Sidecar) -> Double? {
            let lines = sidecar.process.errors.split(separator: "\n")
            return lines.last.flatMap { line in Double(line.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." }) }
        }

        @Test(
            "no answer expires early or lives longer when the time of day jumps by hours",
            .enabled(if: ShiftedClock.isPossible, "no C compiler is installed"))
        func jumps() throws {
            let clock = try ShiftedClock()
            let provider = try Provider()
            func sidecar(ttl: String) throws -> Sidecar {
                let settings = SidecarSettings(upstream: provider.url)
                return try Sidecar(
                    settings.with { $0.cache = ["ttl": ttl, "stale_ttl": "0"] }, environment: clock.environment)
            }
            let (long, short) = (try sidecar(ttl: "1h"), try sidecar(ttl: "1s"))
            let chat = Chat("what time is it?")
            _ = try long.ask(chat)

            try clock.move(bySeconds: 5_400)
            long.process.send(SIGHUP)
            let hasMoved = eventually {
                Self.loggedTime(long).map { $0 > Date().timeIntervalSince1970 + 5_000 } == true
            }
            let ahead = try long.ask(chat)
            try clock.move(bySeconds: -5_400)
            let behind = try long.ask(chat)
            _ = try short.ask(chat)
            let isGone = try eventually { try short.ask(chat)["x-cache"] == "MISS" }

            #expect(hasMoved)
            #expect(ahead["x-cache"] == "HIT")
            #expect(ahead["age"].flatMap { Int($0) }.map { $0 < 60 } == true)
            #expect(behind["x-cache"] == "HIT")
            #expect(isGone)
        }
    }
}
