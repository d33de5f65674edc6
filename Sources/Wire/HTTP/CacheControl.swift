import SamovarCore

extension Controls {
    /// Reads a request's `Cache-Control` (RFC 9111, 5.2.1). Unknown directives are ignored, as the RFC wants.
    ///
    /// A number that cannot be read counts as 0: the stricter reading.
    public init(cacheControl text: String) {
        self.init()
        for directive in text.split(separator: ",") {
            let parts = directive.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.trimmed.lowercased() }
            switch parts.first {
            case "no-store": noStore = true
            case "no-cache": noCache = true
            case "only-if-cached": onlyIfCached = true
            case "max-age": maxAge = min(maxAge ?? .seconds(Self.secondsMax), Self.seconds(parts.dropFirst().first))
            case "max-stale":
                // Without a number any staleness will do (RFC 9111, 5.2.1.2).
                maxStale = parts.count == 1 ? .seconds(Self.secondsMax) : Self.seconds(parts[1])
            default: break
            }
        }
    }

    private static let secondsMax: Int64 = 10 * 365 * 86_400

    private static func seconds(_ text: String?) -> Duration {
        let digits = text?.filter { $0 != "\"" } ?? ""
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return .zero }
        return .seconds(min(Int64(digits) ?? secondsMax, secondsMax))
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text = text.dropFirst() }
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return text
    }
}

extension Duration {
    /// Reads a length of time as callers and configuration write it: `250ms`, `2s`, `5m`, `1h`. Whole numbers only.
    public init?(spelled text: some StringProtocol) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, let count = Int64(digits), count <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(count)
        case "s": self = .seconds(count)
        case "m": self = .seconds(count * 60)
        case "h": self = .seconds(count * 3_600)
        default: return nil
        }
    }
}
