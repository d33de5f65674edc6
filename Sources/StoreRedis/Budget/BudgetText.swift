import SamovarCore

/// How a pod's word is written in Redis: ASCII, one line for each upstream.
///
///     <number>
///     <name, percent-encoded> <demand> <claim> <open for, ms> <learned rate>
///
/// Numbers are in millionths of a request a second, claims in billionths of the whole, rounded up: never less than is
/// used. `-` stands for what there is not.
enum BudgetText {
    /// A word is no longer. Upstreams that would not fit are left out, the last ones first.
    static let sizeMax = 4_096
    static let upstreamsMax = 256
    private static let numberMax = 1e12
    private static let claimUnit = 1e9
    private static let rateUnit = 1e6

    static func write(_ word: FleetWord) -> [UInt8] {
        var text = Array(String(word.number).utf8)
        for upstream in word.upstreams.prefix(upstreamsMax) {
            let line = [
                encoded(upstream.name), String(scaled(upstream.demand, rateUnit, .toNearestOrEven)),
                String(scaled(min(upstream.claim, 1), claimUnit, .up)),
                upstream.openFor.map { String(max(0, min($0.milliseconds, 86_400_000))) } ?? "-",
                upstream.learnedRate.map { String(scaled($0, rateUnit, .toNearestOrEven)) } ?? "-",
            ].joined(separator: " ")
            guard text.count + 1 + line.utf8.count <= sizeMax else { break }
            text.append(UInt8(ascii: "\n"))
            text += line.utf8
        }
        return text
    }

    /// Nil where these bytes are no word of ours. O(1): what is too long is not read.
    static func parse(_ bytes: [UInt8]) -> FleetWord? {
        guard bytes.count <= sizeMax else { return nil }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count <= upstreamsMax + 1, let first = lines.first, let number = decimal(first) else { return nil }
        var upstreams: [FleetWord.Upstream] = []
        for line in lines.dropFirst() {
            guard let upstream = upstream(line) else { return nil }
            upstreams.append(upstream)
        }
        return FleetWord(number: number, upstreams: upstreams)
    }

    private static func upstream(_ line: ArraySlice<UInt8>) -> FleetWord.Upstream? {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard fields.count == 5, let name = decoded(fields[0]), let demand = decimal(fields[1]),
            let claim = decimal(fields[2]), claim <= UInt64(claimUnit)
        else { return nil }
        let (openFor, learned) = (decimal(fields[3]), decimal(fields[4]))
        guard openFor != nil || isNone(fields[3]), learned != nil || isNone(fields[4]) else { return nil }
        return FleetWord.Upstream(
            name: name, demand: Double(demand) / rateUnit, claim: Double(claim) / claimUnit,
            openFor: openFor.map { .milliseconds(Int64(min($0, 86_400_000))) },
            learnedRate: learned.map { Double($0) / rateUnit })
    }

    private static func isNone(_ field: ArraySlice<UInt8>) -> Bool { field.elementsEqual([UInt8(ascii: "-")]) }

    private static func scaled(_ value: Double, _ unit: Double, _ rule: FloatingPointRoundingRule) -> UInt64 {
        // Not a number counts as nothing.
        value > 0 ? UInt64((min(value, numberMax) * unit).rounded(rule)) : 0
    }

    private static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard (1...19).contains(digits.count) else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number
    }

    private static func encoded(_ name: String) -> String {
        name.utf8.reduce(into: "") { text, byte in
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
    }

    private static func decoded(_ field: ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, let code = UInt8(digits, radix: 16) else { return nil }
            bytes.append(code)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
