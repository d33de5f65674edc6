/// A JSON number in the one spelling of its exact decimal value: `1`, `1.0` and `10e-1` are all `1`.
///
/// Never goes through a floating-point type, so 9007199254740992 and 9007199254740993 stay apart.
/// Written as `-`, the significant digits without zeros at either end, and `e` with the exponent where it
/// is not 0; `-0` is `0`. O(digits).
struct CanonicalNumber {
    private var isNegative = false
    private var digits: [UInt8] = []
    /// value = digits × 10^exponent. Nil where the spelled exponent does not fit: then only equal
    /// spellings are equal, which can cost a hit and never a wrong answer.
    private var exponent: Int?

    /// Takes apart a number that `JSONScanner` has accepted.
    init(_ text: ArraySlice<UInt8>) {
        var point = 0
        var seenPoint = false
        var rest = text
        if rest.first == UInt8(ascii: "-") {
            isNegative = true
            rest = rest.dropFirst()
        }
        while let byte = rest.first, byte | 0x20 != UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: ".") {
                seenPoint = true
            } else {
                digits.append(byte)
                if seenPoint { point += 1 }
            }
        }
        exponent = Self.spelledExponent(rest.dropFirst()).map { $0 - point }
        trimZeros()
    }

    private static func spelledExponent(_ text: ArraySlice<UInt8>) -> Int? {
        guard let first = text.first else { return 0 }
        let isNegative = first == UInt8(ascii: "-")
        var value = 0
        for byte in (isNegative || first == UInt8(ascii: "+") ? text.dropFirst() : text) {
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
            if value > 1_000_000_000 { return nil }
        }
        return isNegative ? -value : value
    }

    private mutating func trimZeros() {
        let zero = UInt8(ascii: "0")
        while digits.last == zero {
            digits.removeLast()
            exponent = exponent.map { $0 + 1 }
        }
        digits.removeFirst(digits.prefix { $0 == zero }.count)
        if digits.isEmpty {
            digits = [zero]
            exponent = 0
            isNegative = false
        }
    }

    /// Whether a double can hold it without becoming infinite.
    ///
    /// The bound is 2^1024 − 2^970, halfway to the first power that does not fit (IEEE 754, round to even).
    static func isFinite(_ text: ArraySlice<UInt8>) -> Bool {
        // No number spelled in 300 bytes without an exponent reaches 1e308.
        guard text.count > 300 || text.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return true }
        let number = CanonicalNumber(text)
        if number.digits == [UInt8(ascii: "0")] { return true }
        guard let exponent = number.exponent else {
            // The exponent is beyond ±10^9: an underflow is a number, an overflow is not.
            return text.contains(UInt8(ascii: "-")) && !Self.exponentIsPositive(text)
        }
        let magnitude = exponent + number.digits.count - 1
        if magnitude != 308 { return magnitude < 308 }
        let bound = Array("1797693134862315807937289714053".utf8)
        return number.digits.lexicographicallyPrecedes(bound)
    }

    private static func exponentIsPositive(_ text: ArraySlice<UInt8>) -> Bool {
        guard let mark = text.lastIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return true }
        return text[(mark + 1)...].first != UInt8(ascii: "-")
    }

    /// Appends the canonical spelling of `text` to `output`.
    static func append(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        // The common case, a short whole number, is its own canonical form.
        if text.count < 16, text.last != UInt8(ascii: "0"), text.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) {
            output.append(contentsOf: text)
            return
        }
        let number = CanonicalNumber(text)
        guard let exponent = number.exponent else {
            output.append(contentsOf: text)
            return
        }
        if number.isNegative { output.append(UInt8(ascii: "-")) }
        output.append(contentsOf: number.digits)
        if exponent != 0 {
            output.append(UInt8(ascii: "e"))
            output.append(contentsOf: String(exponent).utf8)
        }
    }
}
