import SamovarCore
import SamovarWire

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// How large a recorded stream is once it is stored: what `tools/bench/run stored` measures.
///
/// Reads raw event streams from standard input, each behind its length (four bytes, little endian), and prints a line
/// for each: the size of the coded chunks in bytes, or "refused" where no chunk can be made of an event. A recording
/// that does not give back every event as it came ends the program with 1.
///
/// Example:
///
///     printf '\x0e\0\0\0data: [DONE]\n\n' | stored-size
@main
struct StoredSize {
    static func main() {
        while let count = readCount() {
            guard let stream = readBytes(count) else { fail("the input ends in the middle of a stream") }
            do {
                print(try codedSize(of: stream))
            } catch is MismatchError {
                fail("a recording did not give back what was recorded")
            } catch {
                print("refused")
            }
        }
    }

    private struct MismatchError: Error {}

    private static func codedSize(of stream: [UInt8]) throws -> Int {
        var decoder = EventDecoder(eventSizeMax: max(1, stream.count))
        var events = try decoder.feed(stream)
        if let last = decoder.finish() { events.append(last) }
        var recorder = Recorder(form: .stream, usageAsked: false)
        for event in events { recorder.append(try EventReader.read(event, usageAsked: false).chunk) }
        let recording = recorder.finish()
        guard try recording.chunks().map(\.bytes) == events.map(\.raw) else { throw MismatchError() }
        return recording.coded.count
    }

    /// Four bytes, little endian; nil at the end of the input.
    private static func readCount() -> Int? {
        readBytes(4).map { $0.reversed().reduce(0) { $0 << 8 | Int($1) } }
    }

    private static func readBytes(_ count: Int) -> [UInt8]? {
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let more = read(STDIN_FILENO, buffer.baseAddress! + filled, count - filled)
                guard more > 0 else { return }
                filled += more
            }
        }
        return bytes.count == count ? bytes : nil
    }

    private static func fail(_ reason: String) -> Never {
        let line = Array("stored-size: \(reason)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(1)
    }
}
