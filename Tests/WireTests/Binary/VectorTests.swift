import SamovarCore
import Testing

@testable import SamovarWire

/// A decoder that is past its greeting, for the sender of a vector.
private func greeted(_ sender: FrameDecoder.Sender) -> FrameDecoder {
    var decoder = FrameDecoder(readingFrom: sender)
    var bytes: [UInt8] = []
    if sender == .client {
        bytes = Vector.greeting
    } else {
        HelloReply.usual.append(to: &bytes)
    }
    var offset = 0
    _ = decoder.next(in: bytes, at: &offset)
    return decoder
}

extension HelloReply {
    static let usual: HelloReply = {
        do {
            return try HelloReply(
                to: Hello(features: [.digest, .events]), offered: [.digest, .events], isAdmin: true,
                limits: BinaryLimits(), idleTimeout: .seconds(60))
        } catch {
            preconditionFailure("a usual HELLO is answered")
        }
    }()
}

extension Vector {
    var sender: FrameDecoder.Sender { word("from") == "server" ? .server : .client }

    /// A decoder for which this frame comes at its right time.
    var decoder: FrameDecoder {
        if ["HELLO", "HELLO_REPLY"].contains(word("opcode")) || word("after") == "magic" {
            var decoder = FrameDecoder(readingFrom: sender)
            var offset = 0
            if sender == .client { _ = decoder.next(in: Magic.bytes, at: &offset) }
            return decoder
        }
        return greeted(sender)
    }

    /// The error with which the bytes are met, of the header or of the payload.
    func fault(in bytes: [UInt8]) -> (error: ProtocolError, header: FrameHeader?)? {
        var decoder = decoder
        var offset = 0
        switch decoder.next(in: bytes, at: &offset) {
        case nil: return nil
        case .foreign: preconditionFailure("the magic is over")
        case .broken(let error): return (error, nil)
        case .refused(let header, let error): return (error, header)
        case .frame(let header, let payload):
            do throws(ProtocolError) {
                _ = try ReadFrame(header, bytes.span.bytes.extracting(payload), from: sender)
                return nil
            } catch {
                return (error, header)
            }
        }
    }
}

@Suite("The golden vectors")
struct VectorTests {
    static let frames = Vector.all(in: "frames.hex")
    static let refused = Vector.all(in: "refused.hex")

    @Test("are read as they say", arguments: frames)
    func read(vector: Vector) throws {
        var decoder = vector.decoder
        var offset = 0
        guard case .frame(let header, let payload) = decoder.next(in: vector.bytes, at: &offset) else {
            Issue.record("no frame")
            return
        }
        let frame = try ReadFrame(header, vector.bytes.span.bytes.extracting(payload), from: vector.sender)
        #expect(offset == vector.bytes.count)
        #expect(frame.values == vector.values)
    }

    @Test("are written as they are given", arguments: frames)
    func written(vector: Vector) throws {
        let header = FrameHeader(vector.bytes.span.bytes)
        let payload = vector.bytes.span.bytes.extracting(FrameHeader.byteCount..<vector.bytes.count)
        let frame = try ReadFrame(header, payload, from: vector.sender)
        #expect(frame.rewritten == vector.bytes)
        #expect(header.frameByteCount == vector.bytes.count)
    }

    @Test("cover every opcode, from every sender that has it")
    func coverage() {
        for (sender, name) in [(FrameDecoder.Sender.client, "client"), (.server, "server")] {
            let covered = Set(Self.frames.filter { $0.sender == sender }.compactMap { $0.word("opcode") })
            let all = Opcode.allCases.filter { sender == .client ? $0.isFromClient : $0.isFromServer }
            let missing = Set(all.map { ReadFrame.upper("\($0)") }).subtracting(covered)
            // The same bytes from either side: one is enough.
            #expect(missing.subtracting(["PING", "PONG"]).isEmpty, "\(name)")
        }
    }

    @Test("are refused where they break a rule, in the scope and with the code they say", arguments: refused)
    func refusals(vector: Vector) throws {
        let found = vector.fault(in: vector.bytes)
        let (error, header) = try #require(found)
        guard vector.sender == .client else { return }
        #expect(error.code.name.uppercased() == vector.word("error"), "\(error.message)")
        #expect(error.closes == (vector.word("scope") == "connection"))
        if !error.closes { #expect(header.map { "\($0.id)" } == vector.values["id"]) }
    }

    @Test("between them break every rule there is")
    func everyFault() {
        var faults = Set(Self.refused.compactMap { $0.fault(in: $0.bytes)?.error.fault })
        // Bodies and metadata too large for a vector, and what a connection must know: tests of their own.
        faults.formUnion([.bodyOverMax, .metadataOverMax, .digestMismatch, .idInFlight])
        #expect(Set(ProtocolError.Fault.allCases).subtracting(faults).isEmpty)
    }
}

@Suite("Bytes split anywhere")
struct SplitTests {
    /// What came out, with the payload's bytes in place of where they stood.
    private struct Outcome: Equatable {
        var header: FrameHeader?
        var payload: [UInt8] = []
        var error: ProtocolError?
    }

    /// Feeds a connection's bytes piece by piece, as a connection does, and keeps what is not consumed.
    private func outcomes(of pieces: [ArraySlice<UInt8>], from sender: FrameDecoder.Sender) -> [Outcome] {
        var decoder = FrameDecoder(readingFrom: sender)
        var held: [UInt8] = []
        var outcomes: [Outcome] = []
        var isPatient = true
        for piece in pieces {
            held += piece
            var offset = 0
            while let event = decoder.next(in: held, at: &offset) {
                switch event {
                case .frame(let header, let payload):
                    outcomes.append(Outcome(header: header, payload: Array(held[payload])))
                case .refused(let header, let error): outcomes.append(Outcome(header: header, error: error))
                case .broken(let error): outcomes.append(Outcome(error: error))
                case .foreign: outcomes.append(Outcome())
                }
            }
            held.removeFirst(offset)
            isPatient = isPatient && held.count < decoder.neededByteCount
        }
        #expect(isPatient, "it says how many bytes it needs, and has not got them")
        return outcomes
    }

    /// All vectors of one sender on one connection; refused ones between them.
    private static func conversation(_ sender: FrameDecoder.Sender) -> [UInt8] {
        let frames = VectorTests.frames.filter {
            $0.sender == sender && !["HELLO", "HELLO_REPLY"].contains($0.word("opcode"))
        }
        let refused = VectorTests.refused.filter { $0.sender == sender && $0.word("scope") == "request" }
        var bytes: [UInt8] = []
        if sender == .client { bytes = Vector.greeting } else { HelloReply.usual.append(to: &bytes) }
        for index in 0..<max(frames.count, refused.count) {
            if index < frames.count { bytes += frames[index].bytes }
            if index < refused.count { bytes += refused[index].bytes }
        }
        return bytes
    }

    @Test("mean the same, at every place", arguments: [FrameDecoder.Sender.client, .server])
    func everySplit(sender: FrameDecoder.Sender) {
        let bytes = Self.conversation(sender)
        let whole = outcomes(of: [bytes[...]], from: sender)
        #expect(whole.count >= 30)
        #expect(outcomes(of: bytes.indices.map { bytes[$0...$0] }, from: sender) == whole)
        for split in 0...bytes.count {
            let isSame = outcomes(of: [bytes[..<split], bytes[split...]], from: sender) == whole
            #expect(isSame, "split at \(split)")
        }
    }

    @Test("are no frame before the last one is there", arguments: VectorTests.frames)
    func truncated(vector: Vector) {
        let start = vector.decoder
        for count in 0..<vector.bytes.count {
            var decoder = start
            var offset = 0
            let event = decoder.next(in: Array(vector.bytes[..<count]), at: &offset)
            #expect(event == nil, "cut at \(count)")
            #expect(offset == 0)
        }
    }

    @Test("skip a refused payload as it comes, and read on behind it")
    func skipping() {
        var bytes = Vector.greeting
        FrameHeader(.answer, id: 5, length: 100_000).append(to: &bytes)
        bytes += [UInt8](repeating: 0xFF, count: 100_000)
        Frames.appendCancel(id: 7, to: &bytes)
        for size in [7, 16, 4_096, bytes.count] {
            let pieces = stride(from: 0, to: bytes.count, by: size).map {
                bytes[$0..<min($0 + size, bytes.count)]
            }
            let outcomes = outcomes(of: pieces, from: .client)
            #expect(outcomes.map(\.header?.id) == [0, 5, 7])
            #expect(outcomes[1].error == ProtocolError(.unknownOpcode, .opcode))
        }
    }
}
