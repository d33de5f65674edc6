import TestSupport

@testable import SamovarStoreRedis

/// What a Redis, or who pretends to be one, may send: the same replies and the same error however the bytes are cut,
/// nested no deeper and grown no larger than the limits.
public func fuzzRESP(_ bytes: [UInt8]) throws(BrokenPromise) {
    let whole = try hear([bytes[...]])
    for split in Splits.of(bytes) {
        try promise(try hear(split) == whole, "cut otherwise the bytes are other replies")
        _ = try hear(split, replySizeMax: 48)
    }
    _ = try hear([bytes[...]], replySizeMax: 48)
}

private struct HeardReplies: Hashable {
    var replies: [RESPValue] = []
    var error: ProtocolError?
}

private func hear(
    _ pieces: [ArraySlice<UInt8>], replySizeMax: Int = 1 << 20
) throws(BrokenPromise) -> HeardReplies {
    var reader = RESPReader(replySizeMax: replySizeMax)
    var heard = HeardReplies()
    do throws(ProtocolError) {
        for piece in pieces {
            for start in stride(from: piece.startIndex, to: piece.endIndex, by: RESPReader.feedSizeMax) {
                try feed(piece[start..<min(start + RESPReader.feedSizeMax, piece.endIndex)], to: &reader)
                while let reply = try reader.next() { heard.replies.append(reply) }
            }
        }
    } catch {
        heard.error = error
    }
    let pieceMax = min(RESPReader.feedSizeMax, pieces.map(\.count).max() ?? 0)
    for reply in heard.replies {
        try promise(depth(of: reply) <= 8, "a reply is nested too deep")
        try promise(size(of: reply) <= replySizeMax + pieceMax, "a reply is larger than the limit")
    }
    return heard
}

private func feed(_ meal: ArraySlice<UInt8>, to reader: inout RESPReader) throws(ProtocolError) {
    var failure: ProtocolError?
    meal.withUnsafeBytes { bytes in
        do throws(ProtocolError) { try reader.feed(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
}

private func depth(of reply: RESPValue) -> Int {
    guard case .array(let elements) = reply else { return 0 }
    return 1 + (elements.map(depth).max() ?? 0)
}

/// The least that it takes on the wire.
private func size(of reply: RESPValue) -> Int {
    switch reply {
    case .null, .integer, .error: 3
    case .status(let text): text.unicodeScalars.count + 3
    case .bulk(let bytes): bytes.count + 6
    case .array(let elements): elements.reduce(4) { $0 + size(of: $1) }
    }
}
