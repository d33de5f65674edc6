import Foundation
import Testing

@testable import samovar

@Suite("What the kernel says of a process")
struct ProcessStatTests {
    private func line(_ name: String, user: Int, system: Int, start: Int) -> String {
        "4711 (\(name)) S 1 4711 4711 0 -1 4194560 6127 0 3 0 \(user) \(system) 0 0 20 0 7 0 \(start) 733 1896 18446744073709551615\n"
    }

    @Test("is read whatever the program is called", arguments: ["samovar", "a b", ") S (", "x) R 1 2 3"])
    func names(name: String) throws {
        let stat = try #require(ProcessStat(parsing: line(name, user: 150, system: 50, start: 99)))
        #expect(stat.name == name)
        #expect(stat.userTicks == 150)
        #expect(stat.systemTicks == 50)
        #expect(stat.startTicks == 99)
    }

    @Test("is nothing where there is no such line", arguments: ["", "4711", "4711 (x) S 1 2", "4711 )x( S"])
    func garbage(text: String) {
        #expect(ProcessStat(parsing: text) == nil)
    }

    @Test("has used so much processor time since, if it is still the same process")
    func seconds() throws {
        let before = try #require(ProcessStat(parsing: line("s", user: 100, system: 10, start: 99)))
        let after = try #require(ProcessStat(parsing: line("s", user: 220, system: 40, start: 99)))
        let other = try #require(ProcessStat(parsing: line("s", user: 900, system: 40, start: 500)))
        #expect(after.seconds(since: before, ticksPerSecond: 100) == 1.5)
        #expect(other.seconds(since: before, ticksPerSecond: 100) == nil)
        #expect(before.seconds(since: after, ticksPerSecond: 100) == nil)
    }

    @Test("is there for ourselves, and not for a number that nobody has")
    func ourselves() {
        #expect(ProcessStat.read(pid: getpid()) != nil)
        #expect(ProcessStat.read(pid: Int32.max) == nil)
        #expect(throws: CommandFailure.self) { try ProcessWatch(pid: Int32.max) }
    }
}
