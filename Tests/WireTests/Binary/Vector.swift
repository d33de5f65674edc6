import Foundation
import SamovarWire
import Testing

extension FrameDecoder {
    mutating func next(in bytes: [UInt8], at offset: inout Int) -> Event? {
        next(bytes.span.bytes, at: &offset)
    }
}

/// One section of a file in `Vectors`: values as they are spelled there, and the bytes (Protocol.md §15).
struct Vector: CustomTestStringConvertible, Sendable {
    let name: String
    /// Without `hex`. JSON, as spelled.
    let values: [String: String]
    let bytes: [UInt8]

    var testDescription: String { name }

    /// A text, without its quotes; nil for `null` and for what is not there.
    func word(_ key: String) -> String? {
        guard let value = values[key], value.hasPrefix("\""), value.hasSuffix("\"") else { return nil }
        return String(value.dropFirst().dropLast())
    }

    static func all(in file: String) -> [Vector] {
        var vectors: [Vector] = []
        var name = ""
        var values: [String: String] = [:]
        var last = ""
        func finish() {
            guard !name.isEmpty else { return }
            let bytes = hexadecimal(values.removeValue(forKey: "hex") ?? "")
            vectors.append(Vector(name: name, values: values, bytes: bytes))
            values = [:]
        }
        for line in text(file).split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("["), line.hasSuffix("]") {
                finish()
                name = String(line.dropFirst().dropLast())
            } else if line.hasPrefix(" ") {
                values[last, default: ""] += line
            } else {
                let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                last = parts[0].trimmingCharacters(in: .whitespaces)
                values[last] = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        finish()
        precondition(!vectors.isEmpty, "\(file) has no vectors")
        return vectors
    }

    static func hexadecimal(_ text: some StringProtocol) -> [UInt8] {
        text.split(whereSeparator: \.isWhitespace).map { pair in
            guard pair.count == 2, let byte = UInt8(pair, radix: 16) else {
                preconditionFailure("'\(pair)' is no byte")
            }
            return byte
        }
    }

    /// A file in `Vectors`.
    static func text(_ file: String) -> String { read("../Vectors/\(file)") }

    static let document = read("../../../Sources/Wire/Wire.docc/Protocol.md")

    /// What a client says first in most tests.
    static let greeting: [UInt8] = {
        var bytes = Magic.bytes
        Hello(features: [.digest, .events]).append(to: &bytes)
        return bytes
    }()

    private static func read(_ path: String) -> String {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(path)
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            preconditionFailure("\(file.path) cannot be read")
        }
        return text
    }
}
