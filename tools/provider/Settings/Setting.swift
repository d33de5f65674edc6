/// One setting as seen from outside: its name, what it takes, how it is read and written.
///
/// The one list of names, for `/control` and for the flags. A null puts a setting back to its default.
struct Setting: Sendable {
    let name: String
    /// What it takes, as said to one who gave something else.
    let range: String
    let read: @Sendable (Settings) -> JSON
    /// False: the value is not in range.
    let write: @Sendable (inout Settings, JSON) -> Bool

    static let all: [Setting] = [
        whole("first_token_ms", 0...millisecondsMax, \.firstTokenMs),
        whole("token_ms", 0...millisecondsMax, \.tokenMs),
        whole("json_ms", 0...millisecondsMax, \.jsonMs),
        whole("silent_ms", 0...millisecondsMax, \.silentMs),
        whole("keep_alive_ms", 0...millisecondsMax, \.keepAliveMs),
        whole("tokens", 1...100_000, \.tokens),
        toggle("mark_attempts", \.markAttempts),
        toggle("endless", \.endless),
        toggle("obfuscation", \.obfuscation),
        toggle("crlf", \.crlf),
        toggle("no_done", \.noDone),
        real("capacity_per_second", 0...1_000_000, \.capacityPerSecond),
        whole("capacity_burst", 1...1_000_000, \.capacityBurst),
        whole("concurrent_max", 0...1_000_000, \.concurrentMax),
        whole("seed", 0...Int(Int32.max), \.seed),
        real("error_rate", 0...1, \.errorRate),
        whole("error_status", 400...599, \.errorStatus),
        whole("status", 400...599, \.status),
        whole("retry_after", 0...1_000_000_000, \.retryAfter),
        whole("cut_after_tokens", 0...1_000_000, \.cutAfterTokens),
        whole("error_after_tokens", 0...1_000_000, \.errorAfterTokens),
        toggle("error_under_200", \.errorUnder200),
        toggle("refuse_stream", \.refuseStream),
        toggle("refuse_stream_options", \.refuseStreamOptions),
        whole("refuse_input", 0...100_000, \.refuseInput),
        anyText("refuse_input_text", \.refuseInputText),
        toggle("swap_inputs", \.swapInputs),
        headerText("content_type", \.contentType),
        anyText("body_override", \.bodyOverride),
        toggle("gzip_bomb", \.gzipBomb),
        headerText("redirect_to", \.redirectTo),
    ]

    static let millisecondsMax = 3_600_000

    private typealias Path<Value> = any WritableKeyPath<Settings, Value> & Sendable

    private static func whole(_ name: String, _ range: ClosedRange<Int>, _ path: Path<Int>) -> Setting {
        Setting(name: name, range: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            .number(Double($0[keyPath: path]))
        } write: { settings, value in
            guard let whole = value == .null ? Settings()[keyPath: path] : value.whole else { return false }
            guard range.contains(whole) else { return false }
            settings[keyPath: path] = whole
            return true
        }
    }

    private static func whole(_ name: String, _ range: ClosedRange<Int>, _ path: Path<Int?>) -> Setting {
        Setting(name: name, range: "a whole number from \(range.lowerBound) to \(range.upperBound), or null") {
            $0[keyPath: path].map { .number(Double($0)) } ?? .null
        } write: { settings, value in
            guard value == .null || value.whole.map(range.contains) == true else { return false }
            settings[keyPath: path] = value.whole
            return true
        }
    }

    private static func real(_ name: String, _ range: ClosedRange<Double>, _ path: Path<Double>) -> Setting {
        Setting(name: name, range: "a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))") {
            .number($0[keyPath: path])
        } write: { settings, value in
            guard let real = value == .null ? Settings()[keyPath: path] : value.number else { return false }
            guard range.contains(real) else { return false }
            settings[keyPath: path] = real
            return true
        }
    }

    private static func toggle(_ name: String, _ path: Path<Bool>) -> Setting {
        Setting(name: name, range: "true or false") {
            .bool($0[keyPath: path])
        } write: { settings, value in
            guard let bool = value == .null ? Settings()[keyPath: path] : value.bool else { return false }
            settings[keyPath: path] = bool
            return true
        }
    }

    private static func anyText(_ name: String, _ path: Path<String?>) -> Setting {
        text(name, "a string, or null", path) { _ in true }
    }

    /// What goes into a header of the answer must not end it.
    private static func headerText(_ name: String, _ path: Path<String?>) -> Setting {
        text(name, "a string of visible ASCII and blanks, or null", path) { text in
            !text.isEmpty && text.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
        }
    }

    private static func text(
        _ name: String, _ range: String, _ path: Path<String?>, _ accepts: @escaping @Sendable (String) -> Bool
    ) -> Setting {
        Setting(name: name, range: range) {
            $0[keyPath: path].map(JSON.string) ?? .null
        } write: { settings, value in
            guard value == .null || value.string.map(accepts) == true else { return false }
            settings[keyPath: path] = value.string
            return true
        }
    }
}
