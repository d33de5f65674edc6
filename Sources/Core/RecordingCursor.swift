// Unsafe pointers, because chunks are made in memory of the cursor's own by copies from the chunk before
// (`ChunkDecoder`).

/// A recording read from its beginning to its end, a chunk or a piece of a chunk at a time: for protocols that put each
/// chunk into a frame, and for callers who read slowly.
///
/// It holds the recording and two chunks. Whoever needs all of it at once has `Recording.render`, which copies less.
public struct RecordingCursor: ~Copyable {
    private let recording: Recording
    private let showsAll: Bool
    private var decoder = ChunkDecoder()
    private var holes = [ChunkDecoder.Hole](repeating: .init(), count: ChunkDecoder.holeCountMax)
    /// The chunk that was made last, and the one before it.
    private var current = OutputBuffer()
    private var previous = OutputBuffer()
    private var madeCount = 0
    private var chunkCount = 0
    /// What of the current chunk is still to be shown: a piece and, where usage stood between, another.
    private var pending = (0..<0, 0..<0)

    private static let roomMin = 512

    public init(_ recording: Recording, withUsage: Bool) {
        self.recording = recording
        showsAll = withUsage || !recording.usageAsked
    }

    /// What was appended by one call.
    public struct Piece: Hashable, Sendable {
        public let byteCount: Int
        /// Whether the chunk that it belongs to ends with it.
        public let endsChunk: Bool
    }

    /// Appends the next chunk, or as much of it as `byteMax` allows; nil at the end. A chunk that is there for its usage
    /// alone is passed over where usage is not shown. O(chunk bytes).
    ///
    /// - Precondition: `byteMax` is above 0.
    /// - Throws: `RecordingError` where the coded bytes are damaged.
    public mutating func next(into output: inout OutputBuffer, byteMax: Int = .max) throws(RecordingError) -> Piece? {
        precondition(byteMax > 0)
        while pending.0.isEmpty && pending.1.isEmpty {
            guard try advance() else { return nil }
            if showsAll || decoder.usage != .whole {
                pending = shown
                if pending.0.isEmpty && pending.1.isEmpty { return Piece(byteCount: 0, endsChunk: true) }
            }
        }
        let first = pending.0.prefix(byteMax)
        let second = pending.1.prefix(byteMax - first.count)
        current.withUnsafeBytes { bytes in
            output.append(UnsafeRawBufferPointer(rebasing: bytes[first]))
            output.append(UnsafeRawBufferPointer(rebasing: bytes[second]))
        }
        pending = (first.upperBound..<pending.0.upperBound, second.upperBound..<pending.1.upperBound)
        return Piece(byteCount: first.count + second.count, endsChunk: pending.0.isEmpty && pending.1.isEmpty)
    }

    /// Appends chunks and pieces of chunks until `byteMax` bytes are there or all were; returns whether all were, also
    /// where the last of them just fits. O(bytes appended).
    public mutating func render(into output: inout OutputBuffer, byteMax: Int) throws(RecordingError) -> Bool {
        var remaining = byteMax
        while remaining > 0 {
            guard let piece = try next(into: &output, byteMax: remaining) else { return true }
            remaining -= piece.byteCount
        }
        return try isAtEnd()
    }

    /// Whether nothing more is to be shown: to be known before anybody asks for a byte that never comes. Makes the next
    /// chunk where it must. O(chunk bytes).
    public mutating func isAtEnd() throws(RecordingError) -> Bool {
        while pending.0.isEmpty && pending.1.isEmpty {
            guard try advance() else { return true }
            if showsAll || decoder.usage != .whole { pending = shown }
        }
        return false
    }

    /// The next chunk as it came, usage and all; nil at the end. Not to be mixed with the other two.
    mutating func nextChunk() throws(RecordingError) -> Chunk? {
        guard try advance() else { return nil }
        return Chunk(bytes: current.bytes, usage: decoder.usage)
    }

    /// Makes the next chunk; false at the end.
    private mutating func advance() throws(RecordingError) -> Bool {
        guard decoder.index < recording.coded.count else {
            guard madeCount == recording.rawByteCount, chunkCount == recording.chunkCount else { throw .damaged }
            return false
        }
        guard recording.rawByteCount >= madeCount else { throw .damaged }
        swap(&current, &previous)
        current.removeAll(keepingCapacity: true)
        let left = recording.rawByteCount - madeCount
        var room = min(left, max(Self.roomMin, 2 * previous.count))
        while true {
            if let count = try make(in: room) {
                current.commit(count)
                madeCount += count
                chunkCount += 1
                return true
            }
            guard room < left else { throw .damaged }
            room = min(left, 2 * room)
        }
    }

    private mutating func make(in room: Int) throws(RecordingError) -> Int? {
        let region = UnsafeMutableRawBufferPointer(rebasing: current.reserve(room)[..<room])
        let result = recording.coded.withUnsafeBytes { coded in
            previous.withUnsafeBytes { previous in
                holes.withUnsafeMutableBufferPointer { holes in
                    Result { () throws(RecordingError) -> Int? in
                        guard let holes = holes.baseAddress else { throw .damaged }
                        return try decoder.next(coded, previous: previous, holes: holes, output: region)
                    }
                }
            }
        }
        return try result.get()
    }

    private var shown: (Range<Int>, Range<Int>) {
        guard !showsAll, case .member(let fromEnd, let count) = decoder.usage else { return (0..<current.count, 0..<0) }
        let end = current.count - fromEnd
        return (0..<end - count, end..<current.count)
    }
}
