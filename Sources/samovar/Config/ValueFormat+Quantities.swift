import SamovarCore

extension ValueFormat where Value == Int {
    /// How many of something: digits alone.
    static func count(_ range: ClosedRange<Int>) -> Self {
        Self(allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            guard let count = Quantity.whole(text), range.contains(count) else { return .malformed }
            return .value(count)
        } spell: {
            String($0)
        }
    }

    /// Bytes, with their unit. 0 needs none.
    static func size(_ range: ClosedRange<Int>) -> Self {
        let (lowest, highest) = (Quantity.spelled(size: range.lowerBound), Quantity.spelled(size: range.upperBound))
        return Self(allowed: "a size with its unit (B, KiB, MiB, GiB) from \(lowest) to \(highest)") { text in
            guard let size = Quantity.read(text, units: Quantity.sizeUnits), range.contains(size) else {
                return .malformed
            }
            return .value(size)
        } spell: {
            Quantity.spelled(size: $0)
        }
    }

    /// Dollars as whole millionths of one, so that sums stay exact.
    static func dollars(max: Int) -> Self {
        Self(allowed: "dollars as a decimal number from 0 to \(max) with at most 6 decimals") { text in
            guard let micro = Quantity.microDollars(text), micro <= max * 1_000_000 else { return .malformed }
            return .value(micro)
        } spell: {
            Quantity.spelled(microDollars: $0)
        }
    }
}

extension ValueFormat where Value == Duration {
    /// A length of time, with its unit. 0 needs none.
    static func duration(_ range: ClosedRange<Duration>) -> Self {
        let (lowest, highest) = (Quantity.spelled(range.lowerBound), Quantity.spelled(range.upperBound))
        return Self(allowed: "a duration with its unit (ms, s, m, h) from \(lowest) to \(highest)") { text in
            guard let milliseconds = Quantity.read(text, units: Quantity.timeUnits) else { return .malformed }
            let duration = Duration.milliseconds(milliseconds)
            return range.contains(duration) ? .value(duration) : .malformed
        } spell: {
            Quantity.spelled($0)
        }
    }
}

extension ValueFormat where Value == Duration {
    /// A very short time, in whole microseconds. 0 needs no unit.
    static func shortDuration(_ range: ClosedRange<Duration>) -> Self {
        let highest = Quantity.spelled(microseconds: range.upperBound)
        return Self(allowed: "a duration with its unit (us, ms) up to \(highest)") { text in
            guard let microseconds = Quantity.read(text, units: Quantity.shortTimeUnits) else { return .malformed }
            let duration = Duration.microseconds(microseconds)
            return range.contains(duration) ? .value(duration) : .malformed
        } spell: {
            Quantity.spelled(microseconds: $0)
        }
    }
}

extension ValueFormat where Value == Double {
    /// A decimal number with at most three decimals.
    static func decimal(_ range: ClosedRange<Double>) -> Self {
        let (lowest, highest) = (
            Quantity.spelled(decimal: range.lowerBound), Quantity.spelled(decimal: range.upperBound)
        )
        return Self(allowed: "a number from \(lowest) to \(highest), with at most 3 decimals") { text in
            guard let number = Quantity.decimal(text), range.contains(number) else { return .malformed }
            return .value(number)
        } spell: {
            Quantity.spelled(decimal: $0)
        }
    }
}

extension ValueFormat where Value == Bool {
    static var flag: Self {
        Self(allowed: "true or false") { text in
            switch text {
            case "true": .value(true)
            case "false": .value(false)
            default: .malformed
            }
        } spell: {
            $0 ? "true" : "false"
        }
    }
}

/// Whole numbers with a unit behind them. One number, one unit, nothing between.
private enum Quantity {
    typealias Unit = (name: String, factor: Int)

    /// Largest first, as they are tried when spelling.
    static let sizeUnits: [Unit] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)]
    static let shortTimeUnits: [Unit] = [("ms", 1_000), ("us", 1)]
    static let timeUnits: [Unit] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]

    /// Digits alone, without the leading zeros that some readers take for octal.
    static func whole(_ text: some StringProtocol) -> Int? {
        let digits = text.utf8
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        guard digits.count == 1 || digits.first != 0x30 else { return nil }
        return Int(text)
    }

    static func read(_ text: String, units: [Unit]) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = whole(digits) else { return nil }
        let name = text[digits.endIndex...]
        if name.isEmpty { return number == 0 ? 0 : nil }
        guard let unit = units.first(where: { $0.name == name }) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit.factor)
        return overflow ? nil : product
    }

    static func spelled(size: Int) -> String { spelled(size, units: sizeUnits) }

    static func spelled(microseconds duration: Duration) -> String {
        spelled(Int(duration.nanoseconds / 1_000), units: shortTimeUnits)
    }

    static func spelled(_ duration: Duration) -> String { spelled(Int(duration.milliseconds), units: timeUnits) }

    private static func spelled(_ number: Int, units: [Unit]) -> String {
        guard number != 0, let unit = units.first(where: { number.isMultiple(of: $0.factor) }) else {
            return "\(number)"
        }
        return "\(number / unit.factor)\(unit.name)"
    }

    static func microDollars(_ text: String) -> Int? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let dollars = whole(parts[0]), dollars <= 1_000_000_000 else { return nil }
        guard parts.count == 2 else { return dollars * 1_000_000 }
        let decimals = parts[1]
        guard (1...6).contains(decimals.utf8.count), decimals.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let fraction = Int(decimals + String(repeating: "0", count: 6 - decimals.utf8.count))
        else { return nil }
        return dollars * 1_000_000 + fraction
    }

    static func decimal(_ text: String) -> Double? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let units = whole(parts[0]), units <= 1_000_000_000 else { return nil }
        guard parts.count == 2 else { return Double(units) }
        let decimals = parts[1].utf8
        guard (1...3).contains(decimals.count), decimals.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        // As one number, so that what is spelled is read back as the same.
        return Double(text)
    }

    static func spelled(decimal: Double) -> String {
        let thousandths = Int((decimal * 1_000).rounded())
        let (units, rest) = thousandths.quotientAndRemainder(dividingBy: 1_000)
        guard rest != 0 else { return "\(units)" }
        var decimals = String(repeating: "0", count: 3 - String(rest).count) + String(rest)
        while decimals.hasSuffix("0") { decimals.removeLast() }
        return "\(units).\(decimals)"
    }

    static func spelled(microDollars: Int) -> String {
        let (dollars, fraction) = microDollars.quotientAndRemainder(dividingBy: 1_000_000)
        guard fraction != 0 else { return "\(dollars)" }
        let digits = String(fraction)
        var decimals = String(repeating: "0", count: 6 - digits.count) + digits
        while decimals.hasSuffix("0") { decimals.removeLast() }
        return "\(dollars).\(decimals)"
    }
}
