import SamovarCore
import SamovarWire

/// ASK_DIGEST with no option and no field (Protocol.md §6.3).
///
///     kind  0  metadata length 0  │ deadline │ 0 0 │ 32 bytes of digest
enum PlainDigest {
    private static let byteCount = FixedPart.byteCount + SentBodyDigest.byteCount

    /// Nil: it is another question, or none.
    static func read(_ payload: RawSpan) -> (kind: APIKind, digest: Digest256)? {
        guard payload.byteCount == byteCount else { return nil }
        let words = FixedPart(payload, at: 0)
        // A deadline is nothing to an answer that is there.
        guard words.low & 0xFFFF_FF00 == 0, words.high == 0,
            let kind = APIKind(wireCode: UInt8(truncatingIfNeeded: words.low)), kind != .models
        else { return nil }
        return (kind, Digest256(bytes: payload.extracting(FixedPart.byteCount..<byteCount)))
    }
}
