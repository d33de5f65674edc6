import SamovarCore

/// Turns an answer into the form that a caller asked for.
public enum AnswerRenderer {
    /// Appends a recorded answer to what goes out. O(raw bytes); in the form in which it was recorded it is made in
    /// place, at the speed of memory.
    ///
    /// - Throws: `Failure.malformed` where the recording is damaged; then the output is as it was.
    public static func render(
        _ recording: Recording, as form: Form, withUsage: Bool, kind: APIKind, into output: inout OutputBuffer
    ) throws(Failure) {
        if recording.form == form {
            do throws(RecordingError) {
                // A body is not changed: whoever asks for one is told its usage.
                try recording.render(into: &output, withUsage: withUsage || form == .body)
            } catch {
                throw .damagedRecording
            }
        } else {
            output.append(
                try render(chunks(of: recording), recordedAs: recording.form, withUsage: withUsage, kind: kind))
        }
    }

    /// A recorded answer. O(raw bytes).
    ///
    /// - Throws: `Failure.malformed` where the recording is damaged.
    public static func render(
        _ recording: Recording, as form: Form, withUsage: Bool, kind: APIKind
    ) throws(Failure) -> [UInt8] {
        var output = OutputBuffer()
        try render(recording, as: form, withUsage: withUsage, kind: kind, into: &output)
        return output.bytes
    }

    private static func chunks(of recording: Recording) throws(Failure) -> [Chunk] {
        do throws(RecordingError) {
            return try recording.chunks()
        } catch {
            throw .damagedRecording
        }
    }

    /// An answer that has just become whole.
    public static func render(
        _ chunks: [Chunk], recordedAs recorded: Form, usageAsked: Bool, as form: Form, withUsage: Bool, kind: APIKind
    ) throws(Failure) -> [UInt8] {
        if recorded != form { return try render(chunks, recordedAs: recorded, withUsage: withUsage, kind: kind) }
        var output: [UInt8] = []
        for chunk in chunks {
            if withUsage || !usageAsked {
                output.append(contentsOf: chunk.bytes)
            } else {
                chunk.appendWithoutUsage(to: &output)
            }
        }
        return output
    }

    private static func render(
        _ chunks: [Chunk], recordedAs recorded: Form, withUsage: Bool, kind: APIKind
    ) throws(Failure) -> [UInt8] {
        switch recorded {
        case .stream: try Fold.body(of: chunks)
        case .body: try Unfold(body: chunks.flatMap(\.bytes), kind: kind).events(withUsage: withUsage)
        }
    }
}

extension Failure {
    fileprivate static var damagedRecording: Failure { .malformed(reason: "the recording is damaged") }
}

extension Recording {
    /// How many bytes a caller is shown, where that is known before they are made; nil where it is not.
    public func shownByteCount(as form: Form, withUsage: Bool) -> Int? {
        self.form == form && (withUsage || !usageAsked || form == .body) ? rawByteCount : nil
    }
}
