import ArgumentParser
import Glibc

/// A command has failed: one clear line for a person, and a status for a script.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Writes a line for a person, beside the figures on standard output.
func note(_ line: String) { emit(line + "\n", to: STDERR_FILENO) }

/// Writes at once, unbuffered: whoever reads the other end sees it now.
func emit(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        // A reader that has gone wants nothing more.
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}
