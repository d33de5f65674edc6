import Foundation

/// A library that moves the time of day of the process it is loaded into, by the seconds that a file holds.
struct ShiftedClock {
    let library: String
    let file: String
    private let folder: TemporaryFolder

    static var isPossible: Bool { Program.installed("cc") != nil }

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/time.h>
        #include <time.h>
        static long shift(void) {
            long seconds = 0;
            FILE *file = fopen(getenv("CLOCK_SHIFT_FILE"), "r");
            if (file) {
                if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
                fclose(file);
            }
            return seconds;
        }
        int clock_gettime(clockid_t id, struct timespec *now) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(id, now);
            if (id == CLOCK_REALTIME) now->tv_sec += shift();
            return result;
        }
        int gettimeofday(struct timeval *now, void *zone) {
            static int (*real)(struct timeval *, void *);
            if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
            int result = real(now, zone);
            now->tv_sec += shift();
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

    /// Of a process whose time of day this moves.
    var environment: [String: String] { ["LD_PRELOAD": library, "CLOCK_SHIFT_FILE": file] }

    func move(bySeconds seconds: Int) throws { try folder.write("shift", String(seconds)) }
}
