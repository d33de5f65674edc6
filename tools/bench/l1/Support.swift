import SamovarCore

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

func fail(_ reason: String) -> Never {
    let line = Array("l1-cost: \(reason)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(1)
}

func threadNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): runs repeat.
struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Ranks as callers ask for them: rank r with a share of 1 / (r + 1)^exponent.
struct Zipf {
    private let cumulative: [Double]

    init(count: Int, exponent: Double) {
        var sum = 0.0
        cumulative = (1...count).map { rank in
            sum += 1 / pow(Double(rank), exponent)
            return sum
        }
    }

    /// O(log count).
    func next(_ random: inout Generator) -> Int {
        let wanted = Double.random(in: 0..<1, using: &random) * cumulative[cumulative.count - 1]
        var (low, high) = (0, cumulative.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > wanted { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension RequestKey {
    /// As uniform as a digest, and cheaper.
    init(number: Int) {
        var random = Generator(seed: UInt64(number) &* 0xD6E8_FEB8_6659_FD93)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for _ in 0..<4 { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        self.init(bytes: bytes)
    }
}

extension StoredAnswer {
    /// A body of `size` bytes; stored, it weighs a few more.
    static func made(size: Int) -> StoredAnswer {
        var random = Generator(seed: UInt64(size))
        let body = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        let answer = Answer(
            recording: Recording(form: .body, usageAsked: false, chunks: [Chunk(bytes: body)]), model: "gpt-4o-mini",
            createdAt: WallTime(milliseconds: 0), generationTime: .zero, usage: nil, ttl: .seconds(3_600),
            staleTTL: .seconds(86_400))
        return StoredAnswer(answer, bornAt: .zero)
    }
}
