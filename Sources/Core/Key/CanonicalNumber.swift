// Unsafe memory: looks at a number in the caller's bytes, where the scanner found it; every index is below its count.

/// A JSON number in the one spelling of its exact decimal value: `1`, `1.0` and `10e-1` are all `1`.
///
/// Never goes through a floating-point type, so 9007199254740992 and 9007199254740993 stay apart.
/// Written as `-`, the significant digits without zeros at either end, and `e` with the exponent where it
/// is not 0; `-0` is `0`. O(digits), no allocation.
struct CanonicalNumber {
    private let text: UnsafeBufferPointer<UInt8>
    private var isNegative = false
    /// From the first digit that is not zero to behind the last one; a point may stand between them. Empty for zero.
    private var significant = 0..<0
    /// How many digits `significant` has.
    private var digitCount = 0
    /// value = digits × 10^exponent. Nil where the spelled exponent does not fit: then only equal
    /// spellings are equal, which can cost a hit and never a wrong answer.
    private var exponent: Int?
    private var exponentIsNegative = false

    /// Takes apart a number that `JSONScanner` has accepted.
    init(_ text: UnsafeBufferPointer<UInt8>) {
        self.text = text
        var index = 0
        if text[0] == UInt8(ascii: "-") {
            isNegative = true
            index = 1
        }
        var fractionCount = 0
        var seenPoint = false
        // Zeros since the last digit that is not one: significant only if another follows.
        var zeroCount = 0
        while index < text.count, text[index] | 0x20 != UInt8(ascii: "e") {
            let byte = text[index]
            if byte == UInt8(ascii: ".") {
                seenPoint = true
            } else {
                if seenPoint { fractionCount += 1 }
                if byte == UInt8(ascii: "0") {
                    zeroCount += 1
                } else {
                    let isFirst = significant.isEmpty
                    digitCount += isFirst ? 1 : zeroCount + 1
                    significant = (isFirst ? index : significant.lowerBound)..<index + 1
                    zeroCount = 0
                }
            }
            index += 1
        }
        readExponent(from: index + 1)
        if significant.isEmpty {
            isNegative = false
            exponent = 0
        } else {
            exponent = exponent.map { $0 - fractionCount + zeroCount }
        }
    }

    private mutating func readExponent(from start: Int) {
        exponent = 0
        guard start < text.count else { return }
        exponentIsNegative = text[start] == UInt8(ascii: "-")
        let isSigned = exponentIsNegative || text[start] == UInt8(ascii: "+")
        var value = 0
        for index in (isSigned ? start + 1 : start)..<text.count {
            value = value * 10 + Int(text[index] - UInt8(ascii: "0"))
            if value > 1_000_000_000 {
                exponent = nil
                return
            }
        }
        exponent = exponentIsNegative ? -value : value
    }

    /// Whether a double can hold it without becoming infinite.
    ///
    /// The bound is 2^1024 − 2^970, halfway to the first power that does not fit (IEEE 754, round to even).
    static func isFinite(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        // No number spelled in 300 bytes without an exponent reaches 1e308.
        guard text.count > 300 || text.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return true }
        return CanonicalNumber(text).isFinite
    }

    private var isFinite: Bool {
        if significant.isEmpty { return true }
        // The exponent is beyond ±10^9: an underflow is a number, an overflow is not.
        guard let exponent else { return exponentIsNegative }
        let magnitude = exponent + digitCount - 1
        if magnitude != 308 { return magnitude < 308 }
        var rest = significant
        let bound: StaticString = "1797693134862315807937289714053"
        for place in 0..<bound.utf8CodeUnitCount {
            if rest.first.map({ text[$0] == UInt8(ascii: ".") }) == true { rest = rest.dropFirst() }
            guard let index = rest.first else { return true }
            if text[index] != bound.utf8Start[place] { return text[index] < bound.utf8Start[place] }
            rest = rest.dropFirst()
        }
        return false
    }

    /// Appends the canonical spelling of `text` to `output`.
    static func append(_ text: UnsafeBufferPointer<UInt8>, to output: inout Scratch) {
        // The common case, a short whole number, is its own canonical form.
        if text.count < 16, text.last != UInt8(ascii: "0"), text.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) {
            output.append(text)
        } else {
            CanonicalNumber(text).append(to: &output)
        }
    }

    private func append(to output: inout Scratch) {
        guard let exponent else { return output.append(text) }
        if significant.isEmpty { return output.append(UInt8(ascii: "0")) }
        if isNegative { output.append(UInt8(ascii: "-")) }
        for index in significant where text[index] != UInt8(ascii: ".") { output.append(text[index]) }
        if exponent != 0 { append(exponent: exponent, to: &output) }
    }

    private func append(exponent: Int, to output: inout Scratch) {
        output.append(UInt8(ascii: "e"))
        if exponent < 0 { output.append(UInt8(ascii: "-")) }
        var power: UInt = 1
        while exponent.magnitude / power >= 10 { power *= 10 }
        while power > 0 {
            output.append(UInt8(ascii: "0") + UInt8(exponent.magnitude / power % 10))
            power /= 10
        }
    }
}
