import SamovarWire

/// The first bytes that a server sends (Protocol.md §2.1), judged as they come: a stranger may say a few and wait.
enum FirstBytes {
    /// The largest first payload is 1 MiB and 4,096 bytes: the highest byte of its length is 0.
    private static let lengthHighest = 3
    private static let version = 4
    private static let opcode = 5

    /// Whether these cannot be the beginning of HELLO_REPLY or of an ERROR about the connection. O(1).
    static func areForeign(_ bytes: RawSpan) -> Bool {
        let known = bytes.extracting(first: FrameHeader.byteCount).withUnsafeBytes { Array($0) }
        return known.enumerated().contains { index, byte in
            switch index {
            case 0..<lengthHighest: false
            case version: byte != ProtocolVersion.first
            case opcode: byte != Opcode.helloReply.rawValue && byte != Opcode.error.rawValue
            default: byte != 0
            }
        }
    }
}
