import Foundation
import SamovarCore
import Testing

@testable import samovar

@Suite("The bodies of a load")
struct BenchBodiesTests {
    private let made = GeneratedBody(model: "a \"model\"", promptSize: 100, tokenMax: 7, mark: 5)

    private func body(_ key: UInt64, isStream: Bool) throws -> [String: Any] {
        let (template, numberAt) = made.template(isStream: isStream)
        var bytes: [UInt8] = []
        _ = RequestBytes(template, numberAt: numberAt).append(key, to: &bytes)
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private func prompt(_ key: UInt64) throws -> String {
        let messages = try #require(try body(key, isStream: false)["messages"] as? [[String: String]])
        return try #require(messages.first?["content"])
    }

    @Test("are JSON of the size, model and form that were asked for")
    func generated() throws {
        #expect(try prompt(0).utf8.count == 100)
        #expect(try body(3, isStream: false)["model"] as? String == "a \"model\"")
        #expect(try body(3, isStream: false)["max_tokens"] as? Int == 7)
        #expect(try body(3, isStream: false)["stream"] == nil)
        #expect(try body(3, isStream: true)["stream"] as? Bool == true)
    }

    @Test("have another prompt for each key, and for each run's mark")
    func distinct() throws {
        let keys: [UInt64] = [0, 1, 255, 0xDEAD_BEEF, .max]
        let prompts = try keys.map { try prompt($0) }
        var other = made
        other.mark = 6
        #expect(Set(prompts).count == keys.count)
        #expect(prompts[3].hasPrefix("00000000deadbeef 0000000000000005 "))
        #expect(other.template(isStream: false).bytes != made.template(isStream: false).bytes)
    }

    @Test("have room for their number in the smallest prompt")
    func smallest() throws {
        var small = made
        small.promptSize = GeneratedBody.promptSizes.lowerBound
        let text = String(decoding: small.template(isStream: false).bytes, as: UTF8.self)
        #expect(small.promptSize == 34)
        #expect(text.contains(#""content":"0000000000000000 0000000000000005 ""#))
    }

    @Test("of a file are asked as they are, each for the call that it is")
    func own() throws {
        let chat = try OwnBody(Array(#"{"messages":[],"stream":true}"#.utf8))
        let completion = try OwnBody(Array(#"{"prompt":"a","stream":false}"#.utf8))
        let embedding = try OwnBody(Array(#"{"input":"a"}"#.utf8))
        #expect([chat, completion, embedding].map(\.kind) == [.chat, .completions, .embeddings])
        #expect([chat, completion, embedding].map(\.isStream) == [true, false, false])
        #expect(throws: BodyError.self) { try OwnBody(Array("{".utf8)) }
    }

    @Test("of a file that is empty, broken or not there are refused in a line that says where")
    func broken() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("samovar-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func complaint(_ text: String) throws -> String? {
            let path = folder.appendingPathComponent("b.jsonl").path
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            do {
                return "\(try OwnBody.all(in: path).count)"
            } catch {
                return "\(error)"
            }
        }
        #expect(try complaint("{\"messages\":[]}\r\n\n{\"input\":1}\n") == "2")
        #expect(try complaint("\n\n")?.hasSuffix("has no bodies") == true)
        #expect(try complaint("{\"messages\":[]}\n\n{broken")?.contains(":3: ") == true)
    }
}
