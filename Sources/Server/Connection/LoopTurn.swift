// Unchecked, because it is only ever reached through a variable of its own thread.

import NIOPosix
import SamovarCore

/// The turn of one event loop's thread: all its connections take theirs in the same memory, one after the other.
final class LoopTurn: @unchecked Sendable {
    var turn = ConnectionTurn()
    /// Reads the bodies of all of them, in memory that is kept.
    var canonicaliser = Canonicaliser()

    /// After a larger turn the room for it is given back, in bytes.
    static let outputKeptMax = 512 << 10

    private static let ofThread = ThreadSpecificVariable<LoopTurn>()

    static func ofThisThread() -> LoopTurn {
        if let there = ofThread.currentValue { return there }
        let new = LoopTurn()
        ofThread.currentValue = new
        return new
    }
}
