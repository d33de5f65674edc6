import Foundation
import SamovarCore
import SamovarWire
import Testing

@testable import SamovarClient

/// The protocol's vectors (Protocol.md §15), as this client meets them.
@Suite("The golden vectors, at the client")
struct VectorTests {
    struct Frame: CustomTestStringConvertible, Sendable {
        let name: String
        let values: [String: String]
        let bytes: [UInt8]
        var testDescription: String { name }
        var header: FrameHeader { FrameHeader(bytes.span.bytes) }
    }

    static func frames(in file: String) -> [Frame] {
        var frames: [Frame] = []
        for section in text(file).components(separatedBy: "\n[").dropFirst() {
            let name = String(section.prefix { $0 != "]" })
            let joined = section.replacingOccurrences(of: "\n  ", with: " ")
            var values: [String: String] = [:]
            for line in joined.split(separator: "\n").dropFirst() where !line.hasPrefix("#") {
                let parts = line.components(separatedBy: " = ")
                if parts.count == 2 { values[parts[0]] = parts[1] }
            }
            frames.append(Frame(name: name, values: values, bytes: bytes(values["hex"] ?? "")))
        }
        return frames.filter { $0.values["from"] == "\"server\"" }
    }

    static func text(_ file: String) -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let path = folder.appendingPathComponent("../../WireTests/Vectors/\(file)")
        return (try? String(contentsOf: path, encoding: .utf8)) ?? ""
    }

    static func bytes(_ hex: some StringProtocol) -> [UInt8] {
        hex.split(whereSeparator: \.isWhitespace).compactMap { UInt8($0, radix: 16) }
    }

    /// A connection on which this frame comes at its right time, and the request that it answers.
    static func stage(for frame: Frame) throws -> (stage: Stage, id: UInt64) {
        var stage = try Stage.greeted()
        // The vectors answer id 5.
        for _ in 1..<5 { _ = try stage.send(.invalidate) }
        let id: UInt64 =
            switch Opcode(rawValue: frame.header.opcode) {
            case .done: try stage.send(.invalidate)
            case .data: try stage.send(.stats)
            case .bodyNeeded: try stage.send(.ask(digest: SentBodyDigest(bytes: Array(repeating: 1, count: 32))))
            default: try stage.send(.ask(reading: .pieces))
            }
        stage.forget()
        return (stage, id)
    }

    /// The frame with another id.
    static func addressed(_ frame: Frame, to id: UInt64) -> [UInt8] {
        var bytes = frame.bytes
        if frame.header.id != 0 {
            bytes.replaceSubrange(8..<16, with: withUnsafeBytes(of: id.littleEndian, Array.init))
        }
        return bytes
    }

    static let requests = frames(in: "frames.hex").filter { $0.values["opcode"] != "\"HELLO_REPLY\"" }

    @Test("are found", arguments: ["frames.hex", "refused.hex"])
    func found(file: String) {
        #expect(Self.frames(in: file).count > 20)
    }

    @Test("from a server are understood, whole and byte by byte", arguments: requests)
    func understood(frame: Frame) throws {
        var (whole, id) = try Self.stage(for: frame)
        var pieces = whole
        let bytes = Self.addressed(frame, to: id)

        whole.receive(bytes)
        for byte in bytes { pieces.receive([byte]) }
        let isEnd = frame.header.flags.contains(.end) && frame.header.opcode != Opcode.bodyNeeded.rawValue

        #expect(whole.news == pieces.news)
        #expect(whole.heard == pieces.heard)
        #expect(whole.ends(of: id).count == (isEnd || whole.connection.isOver ? 1 : 0))
        if frame.name != "error-of-connection", frame.name != "error-duplicate-id" {
            #expect(whole.connection.failure == nil)
        }
    }

    @Test("from a server that are to be refused end the connection", arguments: frames(in: "refused.hex"))
    func refused(frame: Frame) throws {
        var stage = frame.values["after"] == "\"magic\"" ? Stage() : try Self.stage(for: frame).stage

        stage.receive(frame.bytes)

        #expect(stage.connection.failure?.code == .protocolBreach)
    }

    /// What the document's session says, by speaker, one message an element.
    static func session() -> [(speaker: String, bytes: [UInt8])] {
        var session: [(speaker: String, bytes: [UInt8])] = []
        for line in text("session.hex").split(separator: "\n") {
            if line.hasPrefix("# ") {
                session.append((line.hasPrefix("# client") ? "client" : "server", []))
            } else if let hex = line.split(separator: ";", maxSplits: 1).first, !session.isEmpty {
                session[session.count - 1].bytes += bytes(hex)
            }
        }
        return session
    }

    /// Plays the client's part of the session; what the server says is cut at these places.
    static func play(_ session: [(speaker: String, bytes: [UInt8])], cut: (Int) -> [Int]) throws -> Stage {
        let hello = Hello(features: [.digest, .events], window: 65_536)
        var stage = Stage(ClientConnection.Settings(hello: hello))
        // Counting on, this client has its third request under id 3.
        let third: UInt64 = 3
        let body = #"{"model":"m","messages":[]}"#
        let digest = SentBodyDigest(bytes: Digest256(of: Array(body.utf8)).bytes)
        let steps: [(inout Stage) throws -> Void] = [
            { _ in }, { _ in },
            { _ = try $0.send(.ask(body)) },
            { stage in
                let question = Question.ask(
                    #"{"model":"m","messages":[],"stream":true}"#, reading: .pieces,
                    deadline: stage.now.advanced(by: .seconds(30)))
                _ = try stage.send(question)
            },
            { _ = try $0.send(.ask(body, digest: digest)) },
            { $0.consumed(2, 15) },
            { $0.cancel(2) },
        ]
        var step = 0
        for (speaker, said) in session {
            if speaker == "client" {
                if step < steps.count { try steps[step](&stage) }
                step += 1
                continue
            }
            var said = said
            if said[5] == Opcode.bodyNeeded.rawValue {
                said.replaceSubrange(8..<16, with: [UInt8(third)] + Array(repeating: 0, count: 7))
            }
            var start = 0
            for end in cut(said.count) + [said.count] where end > start {
                stage.receive(said[start..<end])
                start = end
            }
        }
        return stage
    }

    @Test("the session is spoken as written, byte for byte")
    func session() throws {
        let session = Self.session()

        let stage = try Self.play(session) { _ in [] }

        var said: [[UInt8]] = []
        var bytes = stage.sent[Magic.bytes.count...]
        while bytes.count >= 16 {
            let size = FrameHeader(Array(bytes.prefix(16)).span.bytes).frameByteCount
            said.append(Array(bytes.prefix(size)))
            bytes = bytes.dropFirst(size)
        }
        var written = session.filter { $0.speaker == "client" }.map(\.bytes).dropFirst()
        // HELLO to CANCEL; the PING is the document's own, and ASK_DIGEST has its id reused there.
        written = written.prefix(6)
        let asked = said.filter { $0[5] != Opcode.ask.rawValue || $0[8] != 3 }
        for (own, theirs) in zip(asked, written) {
            var own = own
            if own[5] == Opcode.askDigest.rawValue { own[8] = 1 }
            #expect(own == theirs)
        }
        #expect(asked.count == 6)
    }

    @Test("the session's replies are the same wherever they are cut")
    func everySplit() throws {
        let session = Self.session()
        let whole = try Self.play(session) { _ in [] }
        #expect(whole.ends(of: 1).map(\.text) == [#"{"id":"a"}"#])
        #expect(whole.news(of: 2).map(\.text) == [nil, "data: {\"a\":1}\n\n", nil])
        #expect(whole.ends(of: 2).map(\.code) == [.cancelled])
        #expect(whole.connection.isLeaving)

        let longest = session.map(\.bytes.count).max() ?? 0
        for place in 1..<longest {
            let split = try Self.play(session) { place < $0 ? [place] : [] }
            #expect(split.news == whole.news, "cut at \(place)")
            #expect(split.sent == whole.sent, "cut at \(place)")
        }
        let bytewise = try Self.play(session) { Array(1..<$0) }
        #expect(bytewise.news == whole.news)
    }
}
