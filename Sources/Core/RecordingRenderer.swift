// Unsafe pointers, because each chunk is made by copies from the chunk before it within the output itself.

extension Recording {
    /// Appends all chunks, one after the other, as a caller is to see them. O(raw bytes), at the speed of memory; the
    /// output grows by the raw bytes at most, and by no more than is really made.
    ///
    /// - Throws: `RecordingError` where the coded bytes are damaged; then the output is as it was.
    public func render(into output: inout OutputBuffer, withUsage: Bool) throws(RecordingError) {
        if isPlain {
            guard rawByteCount == coded.count - 1 else { throw .damaged }
            return output.append(coded[1...])
        }
        let before = output.count
        var pass = RenderingPass(self, withUsage: withUsage)
        _ = output.reserve(pass.likelyByteCount)
        do throws(RecordingError) {
            while let roomMin = try pass.run(output.reserve(0)) {
                // What was made so far moves along with the buffer.
                output.commit(pass.madeCount)
                _ = output.reserve(roomMin)
                output.truncate(to: before)
            }
            output.commit(pass.shownCount)
        } catch {
            output.truncate(to: before)
            throw error
        }
    }

    /// One chunk, stored as it is.
    private var isPlain: Bool { chunkCount == 1 && coded.first == ChunkFormat.plain }

    /// All chunks, one after the other, as a caller is to see them. O(raw bytes).
    public func rendered(withUsage: Bool) throws(RecordingError) -> [UInt8] {
        var pass = RenderingPass(self, withUsage: withUsage)
        guard rawByteCount == pass.likelyByteCount else {
            // It is not believed: made step by step.
            var output = OutputBuffer()
            try render(into: &output, withUsage: withUsage)
            return output.bytes
        }
        var result = Result<Int?, RecordingError>.success(nil)
        let bytes = [UInt8](unsafeUninitializedCapacity: rawByteCount + OutputBuffer.slack) { memory, count in
            let room = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: memory[..<rawByteCount]))
            result = Result { () throws(RecordingError) in try pass.run(room) }
            count = pass.shownCount
        }
        _ = try result.get()
        return bytes
    }
}

/// Room for `ChunkDecoder.holeCountMax` holes on the stack.
private typealias Holes = (
    ChunkDecoder.Hole, ChunkDecoder.Hole, ChunkDecoder.Hole, ChunkDecoder.Hole, ChunkDecoder.Hole, ChunkDecoder.Hole,
    ChunkDecoder.Hole, ChunkDecoder.Hole
)

/// One recording on its way into one output, across the output's growth.
///
///     begin                       previousStart        madeCount
///     │ chunks as they are shown    │ chunk before, raw  │ chunk being made…
///     └────────────── shownCount ┘
///
/// A chunk is made behind the raw chunk before it, which it copies from. Only then is usage taken out of that one, by
/// moving it down to what is shown already; where nothing was taken out, nothing moves.
private struct RenderingPass {
    private(set) var madeCount = 0
    private(set) var shownCount = 0
    private var decoder = ChunkDecoder()
    private var previousStart = 0
    private var previousUsage = UsagePlace.nowhere
    private var chunkCount = 0
    private let showsAll: Bool
    private let recording: Recording
    private var holes: Holes = (.init(), .init(), .init(), .init(), .init(), .init(), .init(), .init())

    /// Room for a usual answer, and for what is this much smaller when stored: what a damaged recording says of its
    /// size is not believed before it was made.
    private static let roomMin = 16 << 10
    private static let usualExpansion = 64

    init(_ recording: Recording, withUsage: Bool) {
        self.recording = recording
        showsAll = withUsage || !recording.usageAsked
    }

    /// What it will make, or as much of that as can be expected of so many coded bytes.
    var likelyByteCount: Int {
        max(0, min(recording.rawByteCount, max(Self.roomMin, recording.coded.count * Self.usualExpansion)))
    }

    /// Renders at the beginning of the region until all is done, then returns nil, or until there is too little room,
    /// then returns how much more than what was made is needed, and goes on in a larger region that begins alike.
    mutating func run(_ region: UnsafeMutableRawBufferPointer) throws(RecordingError) -> Int? {
        // Taken out while they are written through a pointer.
        var holes = holes
        defer { self.holes = holes }
        let result = recording.coded.withUnsafeBytes { coded in
            withUnsafeMutablePointer(to: &holes) { holes in
                holes.withMemoryRebound(to: ChunkDecoder.Hole.self, capacity: ChunkDecoder.holeCountMax) { holes in
                    Result { () throws(RecordingError) in try makeAll(coded, holes, region) }
                }
            }
        }
        return try result.get()
    }

    private mutating func makeAll(
        _ coded: UnsafeRawBufferPointer, _ holes: UnsafeMutablePointer<ChunkDecoder.Hole>,
        _ region: UnsafeMutableRawBufferPointer
    ) throws(RecordingError) -> Int? {
        guard let begin = region.baseAddress, recording.rawByteCount >= 0 else { throw .damaged }
        let room = min(region.count, recording.rawByteCount)
        while decoder.index < coded.count {
            let made = try decoder.next(
                coded,
                previous: UnsafeRawBufferPointer(start: begin + previousStart, count: madeCount - previousStart),
                holes: holes,
                output: UnsafeMutableRawBufferPointer(start: begin + madeCount, count: room - madeCount))
            guard let made else {
                guard room < recording.rawByteCount else { throw .damaged }
                return min(recording.rawByteCount - madeCount, max(Self.roomMin, madeCount))
            }
            if showsAll { shownCount = madeCount + made } else { show(begin) }
            previousStart = madeCount
            previousUsage = decoder.usage
            madeCount += made
            chunkCount += 1
        }
        guard madeCount == recording.rawByteCount, chunkCount == recording.chunkCount else { throw .damaged }
        if !showsAll { show(begin) }
        return nil
    }

    /// Moves the chunk before, without its usage, to what is shown already.
    private mutating func show(_ begin: UnsafeMutableRawPointer) {
        switch previousUsage {
        case .nowhere: show(begin, previousStart, madeCount)
        case .whole: break
        case .member(let fromEnd, let count):
            show(begin, previousStart, madeCount - fromEnd - count)
            show(begin, madeCount - fromEnd, madeCount)
        }
    }

    private mutating func show(_ begin: UnsafeMutableRawPointer, _ start: Int, _ end: Int) {
        if shownCount < start { (begin + shownCount).copyMemory(from: begin + start, byteCount: end - start) }
        shownCount += end - start
    }
}
