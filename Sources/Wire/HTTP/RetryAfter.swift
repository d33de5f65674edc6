import SamovarCore

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. Nonsense is no wait at all, and no wait is longer than a minute.
public enum RetryAfter {
    static let waitMax = Duration.seconds(60)

    /// The length to wait; nil where the text says nothing usable.
    public static func duration(_ text: String, now: WallTime) -> Duration? {
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return min(.seconds(Int64(text) ?? .max), waitMax)
        }
        guard let date = InternetDate.httpDate(text) else { return nil }
        return max(.zero, min(now.duration(to: date), waitMax))
    }
}
