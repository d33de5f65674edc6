import SamovarCore

/// Turns an answer into the form that a caller asked for.
public enum AnswerRenderer {
    /// A recorded answer. O(raw bytes).
    ///
    /// - Throws: `Failure.malformed` where the recording is damaged.
    public static func render(
        _ recording: Recording, as form: Form, withUsage: Bool, kind: APIKind
    ) throws(Failure) -> [UInt8] {
        do {
            switch (recording.form, form) {
            case (.stream, .stream): return try recording.rendered(withUsage: withUsage)
            case (.body, .body): return try recording.rendered(withUsage: true)
            default: return try render(recording.chunks(), recordedAs: recording.form, withUsage: withUsage, kind: kind)
            }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw .malformed(reason: "the recording is damaged")
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
