// Unsafe pointers are here because hiredis's formatter takes an array of pointers to the arguments. They live for
// the length of one call.

import CHiredis
import NIOCore

extension ByteBuffer {
    /// Appends one command in Redis's protocol: an array of bulk strings.
    mutating func writeCommand(_ arguments: [[UInt8]]) {
        var pointers: [UnsafePointer<CChar>?] = []
        pointers.reserveCapacity(arguments.count)
        Self.withPointers(to: arguments[...], &pointers) { pointers in
            let sizes = arguments.map(\.count)
            var formatted: sds?
            let size = redisFormatSdsCommandArgv(&formatted, Int32(arguments.count), &pointers, sizes)
            guard size >= 0, let formatted else { fatalError("out of memory") }
            writeBytes(UnsafeRawBufferPointer(start: formatted, count: Int(size)))
            redisFreeSdsCommand(formatted)
        }
    }

    /// Holds every argument in place, one call deep for each: commands here have a handful.
    private static func withPointers(
        to arguments: ArraySlice<[UInt8]>, _ pointers: inout [UnsafePointer<CChar>?],
        _ body: (inout [UnsafePointer<CChar>?]) -> Void
    ) {
        guard let first = arguments.first else { return body(&pointers) }
        first.withUnsafeBytes { bytes in
            pointers.append(bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
            withPointers(to: arguments.dropFirst(), &pointers, body)
        }
    }
}
