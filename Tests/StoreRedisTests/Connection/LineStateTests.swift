import SamovarCore
import TestSupport
import Testing

@testable import SamovarStoreRedis

@Suite("Line")
struct LineStateTests {
    private func connect(_ line: inout LineState) throws -> LineState.Attempt {
        let attempt = line.connects()
        return try #require(attempt)
    }

    private func fail(
        _ line: inout LineState, _ attempt: LineState.Attempt, hasServed: Bool = false
    ) throws -> LineState.FailAction {
        let action = line.failed(attempt, hasServed: hasServed, jitter: 0.5)
        return try #require(action)
    }

    @Test("it connects, greets, and is live")
    func comesToLife() throws {
        var line = LineState()
        let attempt = try connect(&line)
        let again = line.connects()
        let opened = line.opened(attempt)
        let greeted = line.greeted(attempt)

        #expect(again == nil)
        #expect(opened && greeted)
        #expect(line.phase == .live)
    }

    @Test("waits grow from one failure to the next, and are spread out")
    func waits() throws {
        var line = LineState()
        var waits: [Int64] = []
        for _ in 0..<10 {
            let attempt = try connect(&line)
            let action = try fail(&line, attempt)
            waits.append(action.retryAfter.milliseconds)
        }
        #expect(waits == [25, 50, 100, 200, 400, 800, 1_600, 2_500, 2_500, 2_500])
    }

    @Test("a server that greets and then serves nothing is left in peace longer and longer")
    func greetsOnly() throws {
        var line = LineState()
        func cycle(serves: Bool) throws -> Duration {
            let attempt = try connect(&line)
            _ = line.opened(attempt)
            _ = line.greeted(attempt)
            let action = try fail(&line, attempt, hasServed: serves)
            #expect(action.wasLive)
            return action.retryAfter
        }
        let waits = try [false, false, false, true].map { try cycle(serves: $0).milliseconds }
        #expect(waits == [25, 50, 100, 25])
    }

    @Test("the last words of an old attempt change nothing")
    func staleAttempt() throws {
        var line = LineState()
        let old = try connect(&line)
        _ = line.failed(old, hasServed: false, jitter: 0)
        let new = try connect(&line)
        let openedLate = line.opened(old)
        let failedLate = line.failed(old, hasServed: false, jitter: 0)
        let opened = line.opened(new)
        let greetedLate = line.greeted(old)

        #expect(!openedLate && failedLate == nil && !greetedLate)
        #expect(opened)
        #expect(line.phase == .greeting)
    }

    @Test("once shut it stays shut, whatever was under way")
    func shut() throws {
        var line = LineState()
        let attempt = try connect(&line)
        let wasLive = line.shut()
        let opened = line.opened(attempt)
        let failed = line.failed(attempt, hasServed: false, jitter: 0)
        let again = line.connects()

        #expect(!wasLive && !opened && failed == nil && again == nil)
        #expect(line.phase == .shut)
    }

    @Test("fifty that lose their server at once do not come back in step: from the first second on, a few at a time")
    func herd() throws {
        var dice = SeededGenerator(seed: 3)
        var lines = (0..<50).map { _ in LineState() }
        // When each is next to connect, in milliseconds; the server is gone, so every try fails at once.
        var due = Array(repeating: 0, count: lines.count)
        var triesByTenth = Array(repeating: 0, count: 300)
        for tenth in triesByTenth.indices {
            for index in lines.indices {
                while due[index] < 100 * (tenth + 1) {
                    triesByTenth[tenth] += 1
                    let attempt = try connect(&lines[index])
                    let jitter = Double.random(in: 0..<1, using: &dice)
                    let action = lines[index].failed(attempt, hasServed: false, jitter: jitter)
                    // A wait of nothing is not waited for.
                    due[index] += max(1, Int(try #require(action).retryAfter / .milliseconds(1)))
                }
            }
        }

        let later = triesByTenth.dropFirst(10)
        #expect(later.allSatisfy { $0 <= lines.count / 5 }, "\(later.max() ?? 0) in a tenth of a second")
        // And none of them has given up.
        #expect(later.reduce(0, +) > lines.count * 5)
    }
}
