import Foundation
import SamovarStoreRedis

/// Reads the file of `redis.key_ring_file`.
enum KeyRingFile {
    /// - Throws: what is wrong with it, quoting nothing of it.
    static func read(_ path: String) throws -> KeyRing {
        func failure(_ reason: String) -> CommandFailure { CommandFailure("redis.key_ring_file: \(path): \(reason)") }
        let handle: FileHandle
        do {
            handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        } catch {
            throw failure("cannot be read")
        }
        defer { try? handle.close() }
        var facts = stat()
        guard fstat(handle.fileDescriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw failure("is no file")
        }
        guard facts.st_mode & 0o007 == 0 else {
            throw failure("everybody on this machine can read or write it; chmod 600 it")
        }
        guard let bytes = try? handle.read(upToCount: KeyRing.textSizeMax + 1),
            let text = String(bytes: bytes, encoding: .utf8)
        else { throw failure("is no text") }
        do throws(KeyRingError) {
            return try KeyRing(parsing: text)
        } catch {
            throw failure(error.description)
        }
    }
}
