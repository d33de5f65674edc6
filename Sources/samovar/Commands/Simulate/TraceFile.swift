import Foundation
import SamovarWire

/// A recorded trace, read piece by piece; uncompressed on the way by the tool that its ending asks for.
struct TraceFile {
    let path: String

    private static let pieceSize = 1 << 20
    private static let tools = [".xz": ["xz", "-dc"], ".gz": ["gzip", "-dc"], ".zst": ["zstd", "-qdc"]]

    init(_ path: String) { self.path = path }

    /// Hands on the file's bytes; `-` is standard input.
    func read(_ take: ([UInt8]) throws -> Void) throws {
        if path == "-" { return try read(.standardInput, take) }
        guard let file = FileHandle(forReadingAtPath: path) else { throw CommandFailure("\(path): cannot be read") }
        defer { try? file.close() }
        guard let words = Self.tools.first(where: { path.hasSuffix($0.key) })?.value else {
            return try read(file, take)
        }
        let pipe = Pipe()
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tool.arguments = words
        tool.standardInput = file
        tool.standardOutput = pipe
        tool.standardError = FileHandle.nullDevice
        do {
            try tool.run()
        } catch {
            throw CommandFailure("\(path): cannot run \(words[0]), which uncompresses it")
        }
        // Whoever stops reading early would leave it waiting for ever.
        defer { if tool.isRunning { tool.terminate() } }
        try read(pipe.fileHandleForReading, take)
        tool.waitUntilExit()
        guard tool.terminationStatus == 0 else {
            throw CommandFailure("\(path): \(words[0]) cannot uncompress it, or is not installed")
        }
    }

    private func read(_ handle: FileHandle, _ take: ([UInt8]) throws -> Void) throws {
        while true {
            let piece: Data?
            do {
                piece = try handle.read(upToCount: Self.pieceSize)
            } catch {
                throw CommandFailure("\(path): cannot be read")
            }
            guard let piece, !piece.isEmpty else { return }
            try take(Array(piece))
        }
    }
}
