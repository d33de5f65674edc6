import Foundation

/// The binary protocol's golden bytes, which lie beside the tests of the codec (Protocol.md §15).
public enum GoldenVectors {
    public struct Section: Sendable, CustomStringConvertible {
        public let name: String
        public let values: [String: String]
        public let bytes: [UInt8]

        public var description: String { name }

        /// A text, without its quotes.
        public func word(_ key: String) -> String? {
            values[key].flatMap { $0.hasPrefix("\"") ? String($0.dropFirst().dropLast()) : nil }
        }
    }

    public static func sections(_ file: String) -> [Section] {
        var sections: [(name: String, values: [String: String])] = []
        var last = ""
        for line in text(file).split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("[") {
                sections.append((String(line.dropFirst().dropLast()), [:]))
            } else if line.hasPrefix(" ") {
                sections[sections.count - 1].values[last, default: ""] += line
            } else {
                let parts = line.split(separator: "=", maxSplits: 1)
                last = parts[0].trimmingCharacters(in: .whitespaces)
                sections[sections.count - 1].values[last] = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        return sections.map { Section(name: $0.name, values: $0.values, bytes: bytes($0.values["hex"] ?? "")) }
    }

    /// The golden session, message by message.
    public static let session: [(isClient: Bool, what: String, bytes: [UInt8])] = {
        var messages: [(Bool, String, [UInt8])] = []
        for line in text("session.hex").split(separator: "\n") {
            if line.hasPrefix("# ") {
                let parts = line.dropFirst(2).split(separator: ":", maxSplits: 1)
                messages.append((parts[0] == "client", parts[1].trimmingCharacters(in: .whitespaces), []))
            } else {
                messages[messages.count - 1].2 += bytes(line.prefix { $0 != ";" })
            }
        }
        return messages
    }()

    private static func bytes(_ text: some StringProtocol) -> [UInt8] {
        text.split(whereSeparator: \.isWhitespace).map { pair in
            guard let byte = UInt8(pair, radix: 16) else { preconditionFailure("'\(pair)' is no byte") }
            return byte
        }
    }

    private static func text(_ file: String) -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let path = folder.appendingPathComponent("../WireTests/Vectors/\(file)").standardizedFileURL
        guard let text = try? String(contentsOf: path, encoding: .utf8) else {
            preconditionFailure("\(path.path) cannot be read")
        }
        return text
    }
}
