import Foundation

/// The folder of recorded inputs that `SAMOVAR_TEST_DATA` names. Tests that need it are skipped without it.
public enum TestData {
    public static let folder: URL? = {
        guard let path = ProcessInfo.processInfo.environment["SAMOVAR_TEST_DATA"], !path.isEmpty else { return nil }
        let folder = URL(fileURLWithPath: path)
        return FileManager.default.fileExists(atPath: folder.appendingPathComponent("cache").path) ? folder : nil
    }()

    public static var isPresent: Bool { folder != nil }
    public static let absence = "SAMOVAR_TEST_DATA names no folder with test data"

    public struct Unreadable: Error, CustomStringConvertible {
        public let description: String
    }

    /// A file's bytes, uncompressed by the tool that its ending asks for.
    public static func bytes(_ path: String) throws -> [UInt8] {
        guard let file = folder?.appendingPathComponent(path) else { throw Unreadable(description: absence) }
        switch file.pathExtension {
        case "xz": return try output(of: "xz", "-dc", file.path)
        case "gz": return try output(of: "gzip", "-dc", file.path)
        case "zst": return try output(of: "zstd", "-qdc", file.path)
        default: return Array(try Data(contentsOf: file))
        }
    }

    public static func lines(_ path: String) throws -> [String] {
        try bytes(path).split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Each line of a JSONL file as an object.
    public static func objects(_ path: String) throws -> [[String: Any]] {
        try bytes(path).split(separator: 0x0A).map { line in
            guard let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
                throw Unreadable(description: "\(path): a line is no object")
            }
            return object
        }
    }

    private static func output(of tool: String, _ arguments: String...) throws -> [UInt8] {
        let pipe = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        guard !data.isEmpty else { throw Unreadable(description: "\(tool) is not installed or cannot read the file") }
        return Array(data)
    }
}

/// A small generator whose seed repeats a run (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
