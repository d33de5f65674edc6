/// A whole answer in its stored form: the upstream's chunks, losslessly coded, each against the one before it.
///
/// Chunks of a stream repeat nearly everything but the token, so an event of 200 to 300 bytes becomes about ten
/// (`ChunkFormat`). One recording serves every caller: it replays byte for byte, at once (`render`) or piece by piece
/// (`RecordingCursor`), or is folded or unfolded in Wire.
public struct Recording: Hashable, Sendable {
    public let form: Form
    /// Whether usage was asked for on behalf of those who did not: then `Chunk.usage` says what they are not shown.
    public let usageAsked: Bool
    public let chunkCount: Int
    /// What the chunks weigh as they came, in bytes.
    public let rawByteCount: Int
    /// The coded chunks.
    public let coded: [UInt8]

    /// Puts together what was stored; `chunks()` finds out whether it fits.
    public init(form: Form, usageAsked: Bool, chunkCount: Int, rawByteCount: Int, coded: [UInt8]) {
        self.form = form
        self.usageAsked = usageAsked
        self.chunkCount = chunkCount
        self.rawByteCount = rawByteCount
        self.coded = coded
    }

    public init(form: Form, usageAsked: Bool, chunks: some Sequence<Chunk>) {
        var recorder = Recorder(form: form, usageAsked: usageAsked)
        for chunk in chunks { recorder.append(chunk) }
        self = recorder.finish()
    }

    /// The chunks as they came. O(raw bytes).
    ///
    /// - Throws: `RecordingError` where the coded bytes are damaged.
    public func chunks() throws(RecordingError) -> [Chunk] {
        var chunks: [Chunk] = []
        var cursor = RecordingCursor(self, withUsage: true)
        while let chunk = try cursor.nextChunk() { chunks.append(chunk) }
        return chunks
    }
}

public enum RecordingError: Error, Hashable, Sendable {
    /// The coded bytes are not what a recorder writes.
    case damaged
}

extension Chunk {
    /// Appends what a caller is shown who did not ask for usage.
    public func appendWithoutUsage(to output: inout [UInt8]) {
        switch usage {
        case .nowhere: output.append(contentsOf: bytes)
        case .whole: break
        case .member(let fromEnd, let count):
            output.append(contentsOf: bytes[..<(bytes.count - fromEnd - count)])
            output.append(contentsOf: bytes[(bytes.count - fromEnd)...])
        }
    }
}

/// Writes a recording while the answer passes. O(chunk bytes) a chunk.
public struct Recorder: Sendable {
    private let form: Form
    private let usageAsked: Bool
    private var coder = ChunkCoder()
    /// The only chunk so far, of a body: where no other comes it is stored as it is.
    private var only: Chunk?
    private var chunkCount = 0
    private var rawByteCount = 0

    public init(form: Form, usageAsked: Bool) {
        self.form = form
        self.usageAsked = usageAsked
    }

    public mutating func append(_ chunk: Chunk) {
        if form == .body, chunkCount == 0, chunk.usage == .nowhere {
            only = chunk
        } else {
            if let first = only.take() { coder.append(first) }
            coder.append(chunk)
        }
        chunkCount += 1
        rawByteCount += chunk.bytes.count
    }

    public consuming func finish() -> Recording {
        Recording(
            form: form, usageAsked: usageAsked, chunkCount: chunkCount, rawByteCount: rawByteCount,
            coded: only.map(ChunkCoder.plain) ?? coder.finish())
    }
}
