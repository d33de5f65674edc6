import Foundation
import Testing

@testable import samovar

@Suite("A warm run's progress")
struct WarmProgressTests {
    @Test("counts as done what is done without a gap, in whatever order answers come")
    func order() {
        var progress = WarmProgress()
        for number in [2, 4, 1] { progress.finished(number, failed: false) }
        #expect(progress.doneCount == 2)
        progress.finished(3, failed: true)
        #expect(progress.doneCount == 4)
        #expect(progress.failed == [3])
        progress.finished(3, failed: false)
        #expect(progress.failed.isEmpty)
    }

    @Test("is kept for its own file only")
    func file() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("samovar-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("p.jsonl").path
        try "{}\n\n{}\n".write(toFile: path, atomically: true, encoding: .utf8)

        let lines = try WarmFile(path)
        var progress = WarmProgress()
        progress.finished(1, failed: true)
        WarmResume(path: path + ".r", of: lines).save(progress)
        let loaded = try WarmResume(path: path + ".r", of: lines).load()
        let remaining = lines.numbered(loaded).map(\.number)
        try "{}\n{}\n".write(toFile: path, atomically: true, encoding: .utf8)
        let changed = try WarmFile(path)

        #expect(lines.count == 2)
        #expect(lines.blanks == [2, 4])
        #expect(loaded == progress)
        #expect(remaining == [1, 3])
        #expect(throws: CommandFailure.self) { try WarmResume(path: path + ".r", of: changed).load() }
    }
}
