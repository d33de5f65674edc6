import SamovarCore
import TestSupport

/// Most of what a damaged recording may say of its size here: one that says more is as slow as it says.
private let rawByteMax = 1 << 18

/// A recording of arbitrary coded bytes: an error or bytes, the same by every way of reading it, and no more of them
/// than it says.
///
/// The first two bytes say the form and how the sizes are meant; the rest is coded.
public func fuzzRecording(_ bytes: [UInt8]) throws(BrokenPromise) {
    guard bytes.count >= 2 else { return }
    let coded = Array(bytes[2...])
    let form = bytes[0] & 1 == 0 ? Form.stream : .body
    let usageAsked = bytes[0] & 2 != 0
    func recording(_ chunkCount: Int, _ rawByteCount: Int) -> Recording {
        Recording(
            form: form, usageAsked: usageAsked, chunkCount: chunkCount, rawByteCount: rawByteCount, coded: coded)
    }
    // What it says of itself is not what it is.
    try agrees(recording(Int(bytes[1]), Int(bytes[1]) * 7))
    try agrees(recording(0, 0))
    // What it would have to say.
    var cursor = RecordingCursor(recording(.max, rawByteMax), withUsage: true)
    var output = OutputBuffer()
    var chunkCount = 0
    while let piece = try? cursor.next(into: &output) { if piece.endsChunk { chunkCount += 1 } }
    try promise(output.count <= rawByteMax, "more is made than the recording says")
    try agrees(recording(chunkCount, output.count))
}

/// Every way to read a recording comes to the same.
private func agrees(_ recording: Recording) throws(BrokenPromise) {
    let chunks = try? recording.chunks()
    for withUsage in [true, false] {
        let expected = chunks.map { shown($0, withUsage: withUsage || !recording.usageAsked) }
        try promise(
            (try? recording.rendered(withUsage: withUsage)) == expected, "rendered at once it is something else")
        var output = OutputBuffer()
        output.append("before")
        let isWhole = (try? recording.render(into: &output, withUsage: withUsage)) != nil
        try promise(isWhole == (expected != nil), "rendered into an output it is damaged, or is not")
        try promise(output.bytes == Array("before".utf8) + (expected ?? []), "an output has something else")
        try promise(
            pieces(of: recording, withUsage: withUsage) == expected, "a cursor brings something else, piece by piece")
    }
    guard let chunks else { return }
    let again = Recording(form: recording.form, usageAsked: recording.usageAsked, chunks: chunks)
    try promise((try? again.chunks()) == chunks, "recorded again it is something else")
}

private func shown(_ chunks: [Chunk], withUsage: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    for chunk in chunks {
        if withUsage { bytes += chunk.bytes } else { chunk.appendWithoutUsage(to: &bytes) }
    }
    return bytes
}

private func pieces(of recording: Recording, withUsage: Bool) -> [UInt8]? {
    var cursor = RecordingCursor(recording, withUsage: withUsage)
    var output = OutputBuffer()
    do throws(RecordingError) {
        while try !cursor.render(into: &output, byteMax: 1 + output.count % 97) {}
        return output.bytes
    } catch {
        return nil
    }
}
