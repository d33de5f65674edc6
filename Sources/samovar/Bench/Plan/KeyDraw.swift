import Foundation

/// How often which key is asked for.
enum KeyDistribution: Hashable, Sendable, CustomStringConvertible {
    /// All the same.
    case uniform
    /// Key k with a share of 1 / (k + 1)^s: few are asked for often, most seldom.
    case zipf(Double)
    /// One after the other, and again from the first.
    case sequential
    /// Each once: nothing is ever a hit.
    case unique

    static let exponents = 0.01...10.0

    /// `uniform`, `zipf:0.99`, `sequential`, `unique`.
    init?(_ text: String) {
        switch text {
        case "uniform": self = .uniform
        case "zipf": self = .zipf(0.99)
        case "sequential": self = .sequential
        case "unique": self = .unique
        default:
            guard text.hasPrefix("zipf:"), let exponent = Double(text.dropFirst(5)), Self.exponents.contains(exponent)
            else { return nil }
            self = .zipf(exponent)
        }
    }

    var description: String {
        switch self {
        case .uniform: "uniform"
        case .zipf(let exponent): "zipf:\(exponent)"
        case .sequential: "sequential"
        case .unique: "unique"
        }
    }
}

/// Which key is asked for next. O(1) each; O(keys) memory for Zipf, none otherwise.
///
/// Zipf is drawn by the alias method (Walker, 1974; Vose, 1991): one column at random, then it or its alias.
struct KeyDraw: Sendable {
    private enum Source: Sendable {
        case uniform
        case alias(kept: [Double], aliases: [UInt32])
        case counting(step: UInt64, modulo: UInt64?)
    }

    private let keyCount: UInt64
    private let source: Source
    private var random: SeededGenerator
    private var at: UInt64

    /// - Parameters:
    ///   - part: who draws, where several draw from one plan.
    /// - Precondition: `keyCount` is 1 to 2³² - 1.
    init(_ distribution: KeyDistribution, keyCount: Int, seed: UInt64, part: Int = 0, of parts: Int = 1) {
        precondition(keyCount >= 1 && keyCount < Int(UInt32.max), "there is a key to draw")
        self.keyCount = UInt64(keyCount)
        random = SeededGenerator(seed: seed, stream: UInt64(part) << 8 | 2)
        at = UInt64(part)
        switch distribution {
        case .uniform: source = .uniform
        case .zipf(let exponent):
            let table = Self.aliasTable((1...keyCount).map { pow(Double($0), -exponent) })
            source = .alias(kept: table.kept, aliases: table.aliases)
        case .sequential:
            at = UInt64(part * keyCount / parts)
            source = .counting(step: 1, modulo: UInt64(keyCount))
        case .unique: source = .counting(step: UInt64(parts), modulo: nil)
        }
    }

    mutating func next() -> UInt64 {
        switch source {
        case .uniform: return random.next().multipliedFullWidth(by: keyCount).high
        case .alias(let kept, let aliases):
            let column = Int(random.next().multipliedFullWidth(by: keyCount).high)
            return random.share() < kept[column] ? UInt64(column) : UInt64(aliases[column])
        case .counting(let step, let modulo):
            defer {
                at += step
                if let modulo, at >= modulo { at -= modulo }
            }
            return at
        }
    }

    /// Each column keeps so much of itself, and gives the rest to one other.
    private static func aliasTable(_ weights: [Double]) -> (kept: [Double], aliases: [UInt32]) {
        let total = weights.reduce(0, +)
        var scaled = weights.map { $0 / total * Double(weights.count) }
        var (kept, aliases) = ([Double](repeating: 1, count: weights.count), (0..<UInt32(weights.count)).map { $0 })
        var small = scaled.indices.filter { scaled[$0] < 1 }
        var large = scaled.indices.filter { scaled[$0] >= 1 }
        while let poor = small.popLast(), let rich = large.last {
            kept[poor] = scaled[poor]
            aliases[poor] = UInt32(rich)
            scaled[rich] -= 1 - scaled[poor]
            if scaled[rich] < 1 { small.append(large.removeLast()) }
        }
        return (kept, aliases)
    }
}
