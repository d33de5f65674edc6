import SamovarCore
import TestSupport

@testable import SamovarStoreRedis

private let key = Sample.key(7)

/// What may lie in Redis: an answer or a named damage, and of what somebody wrote who can compute our checksum no trap,
/// no life longer than it says, and no more bytes than it says.
///
/// Read as they are, and once more as what stands between a key of ours and a checksum that fits.
public func fuzzValue(_ bytes: [UInt8]) throws(BrokenPromise) {
    try read(bytes)
    try read(sound(bytes))
}

/// The bytes with the magic, version, key, sizes and checksum that they should have.
private func sound(_ bytes: [UInt8]) -> [UInt8] {
    var value = bytes
    if value.count < StoredValue.headerSize {
        value += [UInt8](repeating: 0, count: StoredValue.headerSize - value.count)
    }
    value.replaceSubrange(0..<4, with: StoredValue.magic)
    value[4] = StoredValue.version
    value.replaceSubrange(8..<40, with: key.bytes)
    let rest = value.count - StoredValue.headerSize
    let modelSize = min(Int(value[107]), rest)
    for (start, size) in [(104, modelSize), (108, rest - modelSize)] {
        for place in 0..<4 { value[start + place] = UInt8(truncatingIfNeeded: size >> (24 - 8 * place)) }
    }
    return Seal.tagged(value, as: .answer(key))
}

private func read(_ bytes: [UInt8]) throws(BrokenPromise) {
    guard let answer = try? StoredValue.decode(bytes, for: key) else { return }
    let isOthers = try? StoredValue.decode(bytes, for: Sample.key(8))
    try promise(isOthers == nil, "another key is answered")
    try promise(StoredValue.encode(answer, for: key) == bytes, "an answer is written otherwise than it was")
    try promise(StoredValue.size(of: answer) >= bytes.count, "an answer is larger than it is said to be")
    for wallNow in [Int64.min, 0, 1_700_000_000_000, .max] {
        let remaining = answer.remaining(at: WallTime(milliseconds: wallNow))
        try promise(remaining <= answer.life, "an answer lives longer than it says")
        guard remaining > .zero else { continue }
        let now = Instant(nanoseconds: 1_000_000_000)
        let stored = StoredAnswer(answer, remaining: remaining, at: now)
        _ = stored.freshness.verdict(for: Controls(), at: now)
        _ = stored.freshness.remaining(at: now)
        try promise(stored.freshness.diesAt <= now.advanced(by: remaining), "an answer dies later than it should")
    }
    let recording = answer.recording
    try promise(recording.rawByteCount <= StoredValue.rawByteCountMax, "an answer may unpack to more than the limit")
    guard recording.rawByteCount <= 1 << 20, let rendered = try? recording.rendered(withUsage: true) else { return }
    try promise(rendered.count == recording.rawByteCount, "an answer is rendered to more or less than it says")
}
