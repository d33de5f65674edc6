import Crypto
import Foundation
import SamovarCore

/// A file of request bodies, one a line; empty lines count as lines and are passed over.
struct WarmFile: Sendable {
    let path: String
    private let lines: [[UInt8]]
    /// SHA-256 of the whole file, so that progress made on another file is never taken for this one's.
    let digest: String

    init(_ path: String) throws {
        self.path = path
        let bytes = try BodyFile(path).bytes()
        lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            Array(line.last == 0x0D ? line.dropLast() : line)
        }
        digest = Array(SHA256.hash(data: bytes)).hexadecimal
    }

    /// Lines that are to be asked, blank ones left out.
    var count: Int { lines.count { !$0.isEmpty } }

    /// The numbers of blank lines, from 1.
    var blanks: [Int] { lines.indices.filter { lines[$0].isEmpty }.map { $0 + 1 } }

    /// What is still to be done, with line numbers from 1: what failed before, then what has not been asked.
    func numbered(_ progress: WarmProgress) -> [(number: Int, line: [UInt8])] {
        let again = progress.failed.filter { (1...max(1, lines.count)).contains($0) && $0 <= progress.doneCount }
        let rest = min(progress.doneCount, lines.count)..<lines.count
        return (again.sorted() + rest.map { $0 + 1 }).compactMap { number in
            let line = lines[number - 1]
            return line.isEmpty ? nil : (number, line)
        }
    }
}

/// How far a run came: all lines up to `doneCount` were asked, and these of them failed.
struct WarmProgress: Codable, Hashable, Sendable {
    var doneCount = 0
    var failed: Set<Int> = []
    /// Done beyond `doneCount`, because answers come in another order than questions go.
    private var ahead: Set<Int> = []

    mutating func finished(_ number: Int, failed hasFailed: Bool) {
        if hasFailed { failed.insert(number) } else { failed.remove(number) }
        guard number > doneCount else { return }
        ahead.insert(number)
        while ahead.remove(doneCount + 1) != nil { doneCount += 1 }
    }

    /// Blank lines are done as soon as all before them are.
    mutating func passedOver(_ number: Int) { finished(number, failed: false) }
}

/// Where progress is kept between runs: one small JSON file, written whole and then put in place.
struct WarmResume: Sendable {
    private let path: String
    private let digest: String
    private let name: String

    init(path: String, of file: WarmFile) {
        self.path = path
        digest = file.digest
        name = file.path
    }

    private struct Stored: Codable {
        var fileDigest: String
        var progress: WarmProgress
    }

    func load() throws -> WarmProgress {
        guard let data = FileManager.default.contents(atPath: path) else { return WarmProgress() }
        guard let stored = try? JSONDecoder().decode(Stored.self, from: data) else {
            throw CommandFailure("\(path): not a resume file; remove it or use --restart")
        }
        guard stored.fileDigest == digest else {
            throw CommandFailure("\(name) has changed since \(path) was written; use --restart to begin anew")
        }
        return stored.progress
    }

    func save(_ progress: WarmProgress) {
        let data = try? JSONEncoder().encode(Stored(fileDigest: digest, progress: progress))
        try? data?.write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// Everything is done: the next run begins at the first line.
    func remove() { try? FileManager.default.removeItem(atPath: path) }
}
