import SamovarCore
import SamovarWire

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// How large a recorded stream is once it is stored, and how fast it is rendered again: what `tools/bench/run stored`
/// and `tools/bench/run render` measure.
///
/// Reads raw event streams from standard input, each behind its length (four bytes, little endian), and prints a line
/// for each: the size of the coded chunks in bytes, or "refused" where no chunk can be made of an event. A recording
/// that does not give back every event as it came ends the program with 1.
///
/// With a number of rounds it prints a line for each round in place of the sizes: `RenderSpeed`.
///
/// Example:
///
///     printf '\x0e\0\0\0data: [DONE]\n\n' | stored-size
///     printf '\x0e\0\0\0data: [DONE]\n\n' | stored-size --render 5
@main
struct StoredSize {
    static func main() {
        let rounds = rounds(CommandLine.arguments.dropFirst())
        var speed = RenderSpeed()
        while let count = readCount() {
            guard let stream = readBytes(count) else { fail("the input ends in the middle of a stream") }
            do {
                let recording = try recording(of: stream)
                if rounds == nil { print(recording.coded.count) } else { speed.add(recording, try raw(recording)) }
            } catch is MismatchError {
                fail("a recording did not give back what was recorded")
            } catch {
                if rounds == nil { print("refused") }
            }
        }
        for _ in 0..<(rounds ?? 0) { print(speed.round()) }
    }

    private struct MismatchError: Error {}

    /// Usage is asked for, as the sidecar always does.
    private static func recording(of stream: [UInt8]) throws -> Recording {
        var decoder = EventDecoder(eventSizeMax: max(1, stream.count))
        var events = try decoder.feed(stream)
        if let last = decoder.finish() { events.append(last) }
        let chunks = try events.map { try EventReader.read($0, usageAsked: true).chunk }
        let recording = Recording(form: .stream, usageAsked: true, chunks: chunks)
        guard try recording.chunks() == chunks, try recording.rendered(withUsage: true) == chunks.flatMap(\.bytes)
        else {
            throw MismatchError()
        }
        return recording
    }

    private static func raw(_ recording: Recording) throws -> [UInt8] { try recording.rendered(withUsage: true) }

    private static func rounds(_ arguments: ArraySlice<String>) -> Int? {
        switch Array(arguments) {
        case []: return nil
        case let words where words.count == 2 && words[0] == "--render":
            guard let count = Int(words[1]), count > 0 else { fail("--render takes a number of rounds") }
            return count
        default: fail("usage: stored-size [--render ROUNDS] < STREAMS")
        }
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
