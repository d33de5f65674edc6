// Raw bytes: ids, numbers and digests are overwritten in copies of frames that were laid out beforehand.

import Crypto
import SamovarCore
import SamovarWire

/// The binary protocol. Section numbers are those of Protocol.md.
struct BinaryDialect: Dialect {
    let greeting: [UInt8]
    private let asksDigestFirst: Bool
    /// ASK without and with `stream`; with a field for the digest where digests are asked first.
    private let asks: [RequestBytes]
    /// ASK_DIGEST, likewise.
    private let digests: [Digests]

    /// - Parameters:
    ///   - keyCount: how many digests are made beforehand.
    ///   - authorization: HELLO's, as HTTP's header has it.
    init(_ bodies: BenchBodies, keyCount: Int, asksDigestFirst: Bool, authorization: Secret?) {
        self.asksDigestFirst = asksDigestFirst
        var hello = Magic.bytes
        var metadata = Metadata()
        if let authorization { metadata.set(.authorization, authorization.revealed) }
        metadata.set(.software, "samovar-bench")
        Hello(features: asksDigestFirst ? .digest : [], metadata: metadata).append(to: &hello)
        greeting = hello
        switch bodies {
        case .generated(let body):
            let templates = [false, true].map { body.template(isStream: $0) }
            asks = templates.map { template in
                let frame = Self.ask(.chat, template.bytes, withDigest: asksDigestFirst)
                return RequestBytes(frame, numberAt: frame.count - template.bytes.count + template.numberAt)
            }
            digests = asksDigestFirst ? templates.map { Digests($0.bytes, numberAt: $0.numberAt, count: keyCount) } : []
        case .own(let bodies):
            let frames = RequestBytes(bodies.map { Self.ask($0.kind, $0.bytes, withDigest: asksDigestFirst) })
            asks = [frames, frames]
            let ofBodies = Digests(asksDigestFirst ? bodies : [])
            digests = [ofBodies, ofBodies]
        }
    }

    private static func ask(_ kind: APIKind, _ body: [UInt8], withDigest: Bool) -> [UInt8] {
        var metadata = Metadata()
        if withDigest { metadata[.bodyDigest] = [UInt8](repeating: 0, count: SentBodyDigest.byteCount) }
        var frame: [UInt8] = []
        SamovarWire.Ask(kind, metadata: metadata).append(id: 0, body: body.span.bytes, to: &frame)
        return frame
    }

    func makeReader(slotCount: Int) -> BinaryReplies { BinaryReplies(slotCount: slotCount) }

    func append(_ request: RequestDraw.Drawn, id: UInt64, withBody: Bool, to output: inout [UInt8]) {
        let form = request.isStream ? 1 : 0
        let start: Int
        if asksDigestFirst, !withBody {
            start = digests[form].append(request.key, to: &output)
        } else {
            start = asks[form].append(request.key, to: &output)
            // The one field of the metadata: its type and size, then the digest (§4.1).
            if asksDigestFirst { digests[form].store(request.key, to: &output, at: start + Digests.digestAt + 3) }
        }
        withUnsafeBytes(of: id.littleEndian) { id in
            for index in id.indices { output[start + 8 + index] = id[index] }
        }
    }

    func appendCancel(id: UInt64, to output: inout [UInt8]) -> Bool {
        Frames.appendCancel(id: id, to: &output)
        return true
    }
}

/// ASK_DIGEST of each key, and in it SHA-256 of the key's body as it is sent.
private struct Digests: Sendable {
    private let frames: RequestBytes

    /// Behind the header and the fixed part.
    static let digestAt = FrameHeader.byteCount + 16

    /// O(count × body).
    init(_ template: [UInt8], numberAt: Int, count: Int) {
        let texts = RequestBytes(template, numberAt: numberAt)
        var body: [UInt8] = []
        frames = RequestBytes(
            (0..<count).map { key in
                body.removeAll(keepingCapacity: true)
                _ = texts.append(UInt64(key), to: &body)
                return Self.frame(.chat, body)
            })
    }

    init(_ bodies: [OwnBody]) {
        frames = RequestBytes(bodies.map { Self.frame($0.kind, $0.bytes) })
    }

    private static func frame(_ kind: APIKind, _ body: [UInt8]) -> [UInt8] {
        let digest = Array(SHA256.hash(data: body))
        var frame: [UInt8] = []
        SamovarWire.Ask(kind).append(.askDigest, id: 0, body: digest.span.bytes, to: &frame)
        return frame
    }

    func append(_ key: UInt64, to output: inout [UInt8]) -> Int { frames.append(key, to: &output) }

    func store(_ key: UInt64, to output: inout [UInt8], at offset: Int) {
        frames.copy(key, Self.digestAt, SentBodyDigest.byteCount, to: &output, at: offset)
    }
}
