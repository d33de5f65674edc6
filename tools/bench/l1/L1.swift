import SamovarCore
import SamovarEngine

/// What the memory cache costs, beside a look-up that does nothing else: what `tools/bench/run l1` measures.
///
/// Prints a line of JSON for each figure. Each round asks each thing in turn.
///
///     l1-cost time ROUNDS ENTRIES…      nanoseconds an operation
///     l1-cost cache ENTRIES             bytes an entry, computed and as the process grew
///     l1-cost answers ENTRIES           the same with answers of 2 KiB, and what the memory cache counts for them
///
/// Ends with 1 where a look-up found what it should not have found.
@main
struct L1 {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        switch (arguments.first, numbers.count) {
        case ("time", 2...): Timing.run(rounds: numbers[0], sizes: Array(numbers.dropFirst()))
        case ("cache", 1): Memory.ofCache(entries: numbers[0])
        case ("answers", 1): Memory.ofAnswers(entries: numbers[0])
        default: fail("usage: l1-cost time ROUNDS ENTRIES… | l1-cost cache ENTRIES | l1-cost answers ENTRIES")
        }
    }
}
