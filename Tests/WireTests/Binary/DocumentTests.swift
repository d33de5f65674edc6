import Foundation
import Testing

@testable import SamovarWire

/// The document and the code say the same.
@Suite("Protocol.md")
struct DocumentTests {
    /// Rows of tables, as their cells.
    private static let rows: [[String]] = Vector.document.split(separator: "\n").filter { $0.hasPrefix("|") }.map {
        $0.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test("shows the session that the vectors have")
    func session() {
        #expect(Vector.document.contains("```hex\n\(Vector.text("session.hex"))```"))
    }

    @Test("shows a session in which both sides keep to the rules")
    func sessionIsValid() throws {
        var decoders = ["client": FrameDecoder(readingFrom: .client), "server": FrameDecoder(readingFrom: .server)]
        var speaker = ""
        var held: [String: [UInt8]] = [:]
        var frames = 0
        for line in Vector.text("session.hex").split(separator: "\n") {
            if line.hasPrefix("# ") {
                speaker = line.hasPrefix("# client") ? "client" : "server"
                continue
            }
            let hex = line.split(separator: ";", maxSplits: 1)[0]
            held[speaker, default: []] += Vector.hexadecimal(hex)
            var offset = 0
            let bytes = held[speaker, default: []]
            while let event = decoders[speaker]?.next(in: bytes, at: &offset) {
                guard case .frame(let header, let payload) = event else {
                    Issue.record("\(event)")
                    return
                }
                let sender: FrameDecoder.Sender = speaker == "client" ? .client : .server
                let frame = try ReadFrame(header, bytes.span.bytes.extracting(payload), from: sender)
                #expect(frame.rewritten == Array(bytes[payload.lowerBound - 16..<payload.upperBound]))
                frames += 1
            }
            held[speaker] = Array(bytes[offset...])
        }
        #expect(frames == 15)
        #expect(held == ["client": [], "server": []])
    }

    @Test("lists every error with its code, status and scope")
    func errors() {
        for code in ErrorCode.allCases {
            let row = Self.rows.first { $0.count == 6 && $0[0] == "\(code.rawValue)" }
            #expect(row?[1] == code.name.uppercased())
            #expect(row?[3] == (code.closes ? "yes" : "no"), "\(code)")
            guard code != .upstreamRefused else { continue }
            #expect(row?[2] == "\(code.status)", "\(code)")
            #expect(row?[4] == (code.isRetryable ? "yes" : "no"), "\(code)")
        }
        #expect(Self.rows.filter { $0.count == 6 && UInt16($0[0]) != nil }.count == ErrorCode.allCases.count)
    }

    @Test("lists every opcode, who sends it and with which id")
    func opcodes() {
        for opcode in Opcode.allCases {
            let hex = String(opcode.rawValue, radix: 16, uppercase: true)
            let number = "0x" + (hex.count == 1 ? "0" + hex : hex)
            let row = Self.rows.first { $0.count == 6 && $0[0] == number }
            #expect(row?[1] == ReadFrame.upper("\(opcode)"))
            let isFromBoth = opcode.isFromClient && opcode.isFromServer
            #expect(row?[2] == (isFromBoth ? "both" : opcode.isFromServer ? "server" : "client"))
            let id = opcode.isAboutConnection.map { $0 ? "0" : "request" } ?? "request or 0"
            #expect(row?[3] == id)
            #expect(
                row?[4].hasPrefix("\(opcode.byteCounts.lowerBound)") == true || opcode == .askDigest || opcode == .data)
        }
    }

    @Test("lists every field of metadata")
    func fields() {
        for field in Metadata.Field.allCases {
            #expect(Self.rows.contains { $0.count == 4 && $0[0] == "\(field.rawValue)" }, "\(field)")
        }
    }

    @Test("gives the limits their defaults")
    func limits() {
        let limits = BinaryLimits()
        let defaults = [
            ("body_size_max", limits.bodySizeMax), ("metadata_size_max", limits.metadataSizeMax),
            ("window_size", limits.windowSize), ("chunk_size", limits.chunkSize),
            ("output_size_max", limits.outputSizeMax),
        ]
        for (name, size) in defaults {
            let text = size >= 1 << 20 ? "\(size >> 20) MiB" : "\(size >> 10) KiB"
            #expect(Self.rows.contains { $0.first == "`\(name)`" && $0[1] == text }, "\(name)")
        }
        #expect(Self.rows.contains { $0.first == "`inflight_max`" && $0[1] == "\(limits.inflightMax)" })
        #expect(limits.frameSizeMax == limits.bodySizeMax + 65_536)
    }
}
