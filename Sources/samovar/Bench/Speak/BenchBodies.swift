import Foundation
import SamovarCore

/// The bodies that are asked with: prompts made here, or lines of a file.
enum BenchBodies: Sendable {
    case generated(GeneratedBody)
    case own([OwnBody])
}

/// A chat call whose prompt has the key's number in it, at a place that is the same for all keys.
struct GeneratedBody: Hashable, Sendable {
    var model: String
    /// Bytes of the prompt.
    var promptSize: Int
    /// The body's `max_tokens`; nil: none.
    var tokenMax: Int?
    /// What makes these prompts differ from those of other runs.
    var mark: UInt64

    static let promptSizes = promptSizeMin...(1 << 20)
    private static let promptSizeMin = "\(hexadecimal(0)) \(hexadecimal(0)) ".utf8.count
    private static let filler = Array("Which of the two would you rather meet at three in the morning, and why? ".utf8)

    /// The body with number 0 in it, and where its sixteen digits stand.
    func template(isStream: Bool) -> (bytes: [UInt8], numberAt: Int) {
        let head = #"{"model":\#(JSONLog.quoted(model)),"messages":[{"role":"user","content":""#
        var bytes = Array(head.utf8)
        let numberAt = bytes.count
        bytes += Array("\(Self.hexadecimal(0)) \(Self.hexadecimal(mark)) ".utf8)
        bytes += (0..<max(0, promptSize - Self.promptSizeMin)).map { Self.filler[$0 % Self.filler.count] }
        bytes += Array(#""}]"#.utf8)
        if let tokenMax { bytes += Array(#","max_tokens":\#(tokenMax)"#.utf8) }
        bytes += Array((isStream ? #","stream":true}"# : "}").utf8)
        return (bytes, numberAt)
    }

    /// Sixteen digits.
    static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A line of `--body`.
struct OwnBody: Hashable, Sendable {
    let kind: APIKind
    let bytes: [UInt8]
    let isStream: Bool

    /// Reads a file of bodies, one a line; blank lines are passed over.
    static func all(in file: String) throws -> [OwnBody] {
        let bytes = try BodyFile(file).bytes()
        var bodies: [OwnBody] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let line = Array(line.last == 0x0D ? line.dropLast() : line)
            if line.isEmpty { continue }
            do throws(BodyError) {
                bodies.append(try OwnBody(line))
            } catch {
                throw CommandFailure("\(file):\(index + 1): \(error.message)")
            }
        }
        guard !bodies.isEmpty else { throw CommandFailure("\(file) has no bodies") }
        return bodies
    }

    init(_ line: [UInt8]) throws(BodyError) {
        let body = try CanonicalBody(line)
        kind = APIKind(guessedFrom: body)
        bytes = line
        isStream = body["stream"].map { line[$0.value].elementsEqual("true".utf8) } ?? false
    }
}
