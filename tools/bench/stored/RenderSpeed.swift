import SamovarCore

/// How fast recordings are rendered into one reused buffer, beside copying the same raw bytes into it.
///
/// A round is a line: raw bytes a second, in billions, of copying, of rendering all, of rendering for a caller who did
/// not ask for usage, of cutting into chunks with a cursor, and of rendering into an array of its own.
struct RenderSpeed {
    private var recordings: [Recording] = []
    private var raw: [[UInt8]] = []
    private var byteCount = 0

    /// How long one figure of one round is measured at least.
    private static let timeMin = Duration.milliseconds(100)

    mutating func add(_ recording: Recording, _ raw: [UInt8]) {
        recordings.append(recording)
        self.raw.append(raw)
        byteCount += raw.count
    }

    func round() -> String {
        var output = OutputBuffer()
        let copied = gigabytes {
            for bytes in raw {
                output.removeAll(keepingCapacity: true)
                output.append(bytes)
            }
        }
        let all = gigabytes {
            for recording in recordings {
                output.removeAll(keepingCapacity: true)
                try? recording.render(into: &output, withUsage: true)
            }
        }
        let withoutUsage = gigabytes {
            for recording in recordings {
                output.removeAll(keepingCapacity: true)
                try? recording.render(into: &output, withUsage: false)
            }
        }
        let cut = gigabytes {
            for recording in recordings {
                output.removeAll(keepingCapacity: true)
                var cursor = RecordingCursor(recording, withUsage: true)
                while (try? cursor.next(into: &output)) != nil {}
            }
        }
        var size = 0
        let arrays = gigabytes {
            for recording in recordings { size &+= (try? recording.rendered(withUsage: true).count) ?? 0 }
        }
        return [copied, all, withoutUsage, cut, arrays].map { "\($0)" }.joined(separator: " ")
    }

    private func gigabytes(_ pass: () -> Void) -> Double {
        pass()
        let clock = ContinuousClock()
        let start = clock.now
        var passes = 0
        var elapsed = Duration.zero
        while elapsed < Self.timeMin {
            pass()
            passes += 1
            elapsed = start.duration(to: clock.now)
        }
        return Double(byteCount * passes) / 1e9 / (elapsed / .seconds(1))
    }
}
