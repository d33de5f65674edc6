import SamovarCore
import SamovarWire
import TestSupport

/// The bytes of a connection, as a client's and as a server's: the same frames however they are cut, nothing kept
/// beyond the limit, and every message that is read is written again as it was.
public func fuzzFrames(_ bytes: [UInt8]) throws(BrokenPromise) {
    for sender in [FrameDecoder.Sender.client, .server] {
        let whole = try hear([bytes[...]], from: sender)
        for split in Splits.of(bytes) {
            try promise(try hear(split, from: sender) == whole, "cut otherwise the bytes are other frames")
        }
        for case .frame(let header, let payload) in whole { try rewrite(header, payload, from: sender) }
    }
}

private enum Heard: Hashable {
    case frame(FrameHeader, [UInt8])
    case refused(FrameHeader, ProtocolError)
    case broken(ProtocolError)
    /// Who the stranger is may take more bytes to see than that it is one.
    case foreign
}

private func hear(
    _ pieces: [ArraySlice<UInt8>], from sender: FrameDecoder.Sender
) throws(BrokenPromise) -> [Heard] {
    var decoder = FrameDecoder(readingFrom: sender)
    let limits = decoder.limits
    let frameMax = FrameHeader.byteCount + (sender == .client ? limits.frameSizeMax : limits.replySizeMax)
    var heard: [Heard] = []
    var carry: [UInt8] = []
    for piece in pieces {
        carry += piece
        var offset = 0
        while let event = decoder.next(in: carry, at: &offset) {
            try promise(offset <= carry.count, "more is consumed than there is")
            switch event {
            case .frame(let header, let payload):
                try promise(payload.count == Int(header.length), "a payload is not as long as its header says")
                try promise(payload.upperBound <= offset, "a payload lies beyond what was consumed")
                heard.append(.frame(header, Array(carry[payload])))
            case .refused(let header, let error): heard.append(.refused(header, error))
            case .broken(let error): heard.append(.broken(error))
            case .foreign: heard.append(.foreign)
            }
        }
        carry.removeFirst(offset)
        try promise(carry.count < decoder.neededByteCount, "more is awaited than is needed")
        try promise(decoder.neededByteCount <= frameMax, "more is awaited than a frame may have")
    }
    return heard
}

/// What is read says the same when it is written and read again, and is written the same again. What may be left out
/// in between are fields that may be skipped, and the flag of an error, which follows from its code.
private func rewrite(
    _ header: FrameHeader, _ payload: [UInt8], from sender: FrameDecoder.Sender
) throws(BrokenPromise) {
    guard let frame = try? ReadFrame(header, payload.span.bytes, from: sender) else { return }
    let written = frame.rewritten
    try promise(written.count <= FrameHeader.byteCount + payload.count, "a message grows by being read")
    guard written.count >= FrameHeader.byteCount else { throw BrokenPromise("a message is written as no frame") }
    let bytes = written.span.bytes
    let again = FrameHeader(bytes)
    try promise(again.frameByteCount == written.count, "a length is written that is not the frame's")
    let rest = bytes.extracting(FrameHeader.byteCount..<bytes.byteCount)
    guard let reread = try? ReadFrame(again, rest, from: sender) else {
        throw BrokenPromise("what we write is refused")
    }
    try promise(reread.rewritten == written, "a message is written in two ways")
    var (before, after) = (frame.values, reread.values)
    if Opcode(rawValue: header.opcode) == .error { (before["flags"], after["flags"]) = (nil, nil) }
    try promise(before == after, "a message says something else when it is written again")
    if written.count == FrameHeader.byteCount + payload.count, Opcode(rawValue: header.opcode) != .error {
        try promise(Array(written[FrameHeader.byteCount...]) == payload, "a message has two spellings")
    }
}
