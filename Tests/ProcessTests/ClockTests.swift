import Foundation
import Testing

/// A library that moves the time of day of the process it is loaded into, by the seconds that a file holds.
private struct ShiftedClock {
    let library: String
    let file: String
    private let folder: TemporaryFolder

    static var isPossible: Bool { Program.installed("cc") != nil }

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <time.h>
        int clock_gettime(clockid_t id, struct timespec *now) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(id, now);
            if (id != CLOCK_REALTIME) return result;
            long seconds = 0;
            FILE *file = fopen(getenv("CLOCK_SHIFT_FILE"), "r");
            if (file) {
                if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
                fclose(file);
            }
            now->tv_sec += seconds;
            return result;
        }
        """

    init() throws {
        folder = try TemporaryFolder()
        file = try folder.write("shift", "0")
        library = folder.file("clock.so")
        let source = try folder.write("clock.c", Self.source)
        let compiler = try ChildProcess(
            Program.installed("cc") ?? "cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"])
        guard compiler.ends() == .exited(0) else { throw HarnessError.odd(compiler.errors) }
    }

    func move(bySeconds seconds: Int) throws { try folder.write("shift", String(seconds)) }
}

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
            let environment = ["LD_PRELOAD": clock.library, "CLOCK_SHIFT_FILE": clock.file]
            func sidecar(ttl: String) throws -> Sidecar {
                let settings = SidecarSettings(upstream: provider.url)
                return try Sidecar(
                    settings.with { $0.cache = ["ttl": ttl, "stale_ttl": "0"] }, environment: environment)
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
