import SamovarCore

/// How a lease is written in Redis: `<attempt, 32 hex digits>:<heartbeat>:<pod, 16 hex digits>`.
enum LeaseText {
    /// What a lease of this attempt begins with, whatever its heartbeat.
    static func head(of attempt: AttemptID) -> [UInt8] {
        Array(attempt.hexadecimal.utf8) + [colon]
    }

    /// What a lease begins with that is still as it was seen.
    static func head(of sight: LeaseSight) -> [UInt8] {
        head(of: sight.attempt) + Array(String(sight.heartbeat).utf8) + [colon]
    }

    /// Nil where these bytes are no lease of ours. O(1): what is too long is not read.
    static func parse(_ bytes: [UInt8]) -> LeaseSight? {
        guard bytes.count <= 32 + 1 + heartbeatDigitMax + 1 + 16 else { return nil }
        let parts = bytes.split(separator: colon, omittingEmptySubsequences: false)
        guard parts.count == 3, let attempt = AttemptID(hexadecimal: parts[0]),
            let heartbeat = decimal(parts[1]), let pod = word(parts[2])
        else { return nil }
        return LeaseSight(attempt: attempt, heartbeat: heartbeat, pod: PodID(pod))
    }

    private static let colon = UInt8(ascii: ":")
    /// As many as Lua counts exactly.
    private static let heartbeatDigitMax = 15

    private static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard (1...heartbeatDigitMax).contains(digits.count) else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number
    }

    /// 64 bits in 16 lower-case hex digits.
    static func word(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard digits.count == 16 else { return nil }
        var word: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): word = word << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): word = word << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return word
    }
}

extension AttemptID {
    /// Reads what `hexadecimal` writes, and nothing else.
    init?(hexadecimal digits: some Collection<UInt8>) {
        let digits = Array(digits)
        guard digits.count == 2 * Self.byteCount, let high = LeaseText.word(digits[..<16]),
            let low = LeaseText.word(digits[16...])
        else { return nil }
        self.init(high: high, low: low)
    }
}
