import Foundation

/// What an input has broken: the sentence that should have been true. Thrown by the bodies of the fuzz targets
/// (`tools/fuzz`), where a trap would be as good but say less.
public struct BrokenPromise: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Throws where the sentence is not true.
public func promise(_ holds: Bool, _ sentence: @autoclosure () -> String) throws(BrokenPromise) {
    guard holds else { throw BrokenPromise(sentence()) }
}

/// Bytes in pieces, as a network might bring them. A function of the bytes alone, so that an input repeats its run.
public enum Splits {
    /// One by one, in two, and in pieces of random sizes. One by one only where that is quick.
    public static func of(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
        var random = SeededGenerator(seed: seed(of: bytes))
        let cut = Int.random(in: 0...bytes.count, using: &random)
        var splits = [[bytes[..<cut], bytes[cut...]], pieces(of: bytes, using: &random)]
        if bytes.count <= 1_024 { splits.append(bytes.indices.map { bytes[$0...$0] }) }
        return splits
    }

    public static func pieces(of bytes: [UInt8], using random: inout SeededGenerator) -> [ArraySlice<UInt8>] {
        let sizeMax = [3, 17, 200].randomElement(using: &random) ?? 3
        var pieces: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            pieces.append(rest.prefix(Int.random(in: 1...sizeMax, using: &random)))
            rest = rest.dropFirst(pieces[pieces.count - 1].count)
        }
        return pieces
    }

    /// FNV-1a (Fowler, Noll and Vo, 1991).
    public static func seed(of bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

/// The inputs that fuzzing found worth keeping, and those that it began with: `tools/fuzz/corpora`.
public enum Corpus {
    /// Runs a target over its corpus; returns how many inputs that were.
    ///
    /// - Throws: the first promise that is broken, with the input's name.
    public static func replay(_ target: String, _ run: ([UInt8]) throws(BrokenPromise) -> Void) throws -> Int {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../tools/fuzz/corpora/\(target)").standardizedFileURL
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files.sorted(by: { $0.path < $1.path }) {
            do throws(BrokenPromise) {
                try run(try bytes(of: file))
            } catch {
                throw BrokenPromise("\(target)/\(file.lastPathComponent): \(error)")
            }
        }
        return files.count
    }

    private static func bytes(of file: URL) throws(BrokenPromise) -> [UInt8] {
        guard let data = try? Data(contentsOf: file) else { throw BrokenPromise("it cannot be read") }
        return Array(data)
    }
}
