import SamovarCore

/// How a pod tells the others that it made an answer unusable: `<name, 16 hex digits>:<pod, 16 hex digits>`.
enum PurgeText {
    static func write(_ name: UInt64, by pod: PodID) -> [UInt8] {
        PodID(name).hexadecimal + [UInt8(ascii: ":")] + pod.hexadecimal
    }

    /// Nil where these bytes are nothing of ours.
    static func parse(_ bytes: [UInt8]) -> (name: UInt64, pod: PodID)? {
        guard bytes.count == 33, bytes[16] == UInt8(ascii: ":"), let name = LeaseText.word(bytes[..<16]),
            let pod = LeaseText.word(bytes[17...])
        else { return nil }
        return (name, PodID(pod))
    }
}
