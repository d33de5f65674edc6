/// One request of a recorded trace.
public struct TraceRequest: Hashable, Sendable {
    /// What was asked for: equal objects are the same request.
    public struct Object: CacheKey, Hashable, Sendable {
        @usableFromInline let first: UInt64
        @usableFromInline let second: UInt64

        /// An object with a number, and a second one where a trace needs two.
        public init(_ first: UInt64, _ second: UInt64 = 0) {
            self.first = first
            self.second = second
        }

        /// An object with a name: 128 bits of its SHA-256.
        public init(named name: [UInt8]) {
            let digest = Digest256(of: name)
            self.init(digest.words.0, digest.words.1)
        }

        /// Mixed as SplitMix64 does (Steele, Lea and Flood, OOPSLA 2014): numbers of a trace are not uniform.
        @inlinable
        public var cacheHash: UInt64 {
            var mixed = first &+ second &* 0xD6E8_FEB8_6659_FD93 &+ 0x9E37_79B9_7F4A_7C15
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    public var object: Object
    /// Of the answer, in bytes; 1 where the trace knows no sizes.
    public var size: Int
    /// Since the trace's own origin; nil where the trace knows no times.
    public var time: Duration?
    /// How long its answer took to make, where the trace knows.
    public var generationTime: Duration?
    public var model: String?
    public var usage: Usage?

    public init(
        object: Object, size: Int = 1, time: Duration? = nil, generationTime: Duration? = nil, model: String? = nil,
        usage: Usage? = nil
    ) {
        self.object = object
        self.size = size
        self.time = time
        self.generationTime = generationTime
        self.model = model
        self.usage = usage
    }
}

/// When each request of a trace came: what the trace says, or so many a second. Never goes back.
public struct TraceClock: Sendable {
    private let interval: Duration?
    private var origin: Duration?
    private var count: Int64 = 0
    private var last = Instant.zero
    /// Requests whose time was before that of the one before them: they count as coming with it.
    public private(set) var lateCount = 0

    /// - Parameter interval: between two requests, whatever the trace says; nil: as the trace says.
    public init(interval: Duration? = nil) {
        self.interval = interval
    }

    /// When this request came, since the first; nil where neither the trace nor we know.
    public mutating func arrival(of request: TraceRequest) -> Instant? {
        defer { count += 1 }
        if let interval { return Instant(nanoseconds: interval.nanoseconds.multipliedOrMax(by: count)) }
        guard let time = request.time else { return nil }
        let since = time - (origin ?? time)
        if origin == nil { origin = time }
        let arrival = Instant.zero.advanced(by: since)
        if arrival < last { lateCount += 1 }
        last = max(last, arrival)
        return last
    }
}

extension Int64 {
    fileprivate func multipliedOrMax(by other: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
