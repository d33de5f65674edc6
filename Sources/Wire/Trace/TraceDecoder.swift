import SamovarCore

/// Reads a trace piece by piece. Holds one unfinished line, of `lineSizeMax` at most.
public struct TraceDecoder: Sendable {
    /// Of an access log with whole bodies in it.
    public static let lineSizeMax = 64 << 20
    /// Keys that one line of `ranges` may stand for.
    public static let rangeCountMax: UInt64 = 1 << 32

    public let format: TraceFormat
    private let timeUnit: Duration
    private var rest: [UInt8] = []
    private var lineNumber = 0

    /// - Parameter timeUnit: of the first column of `sized` and `sizedObjects`.
    public init(_ format: TraceFormat, timeUnit: Duration = .seconds(1)) {
        self.format = format
        self.timeUnit = timeUnit
    }

    /// The number of the line that was read last.
    public var line: Int { lineNumber }

    /// Hands on every request that is whole. What `take` throws is passed on as it is, and ends the reading.
    public mutating func read(_ piece: [UInt8], _ take: (TraceRequest) throws -> Void) throws {
        switch format {
        case .keys32: try readKeys(piece, width: 4, take)
        case .keys64: try readKeys(piece, width: 8, take)
        default: try readLines(piece, take)
        }
    }

    /// The trace is over: the last line needs no line feed.
    public mutating func finish(_ take: (TraceRequest) throws -> Void) throws {
        guard !rest.isEmpty else { return }
        let last = rest
        rest = []
        switch format {
        case .keys32, .keys64:
            throw TraceError(line: nil, "ends with \(last.count) bytes that are no whole key")
        default: try readLine(last[...], take)
        }
    }

    private mutating func readKeys(_ piece: [UInt8], width: Int, _ take: (TraceRequest) throws -> Void) throws {
        let bytes = rest.isEmpty ? piece : rest + piece
        let whole = bytes.count / width * width
        for start in stride(from: 0, to: whole, by: width) {
            var key: UInt64 = 0
            for index in start..<start + width { key = key << 8 | UInt64(bytes[index]) }
            try take(TraceRequest(object: .init(key)))
        }
        rest = Array(bytes[whole...])
    }

    private mutating func readLines(_ piece: [UInt8], _ take: (TraceRequest) throws -> Void) throws {
        var start = piece.startIndex
        while let end = piece[start...].firstIndex(of: 0x0A) {
            if rest.isEmpty {
                try readLine(piece[start..<end], take)
            } else {
                rest.append(contentsOf: piece[start..<end])
                let line = rest
                rest.removeAll(keepingCapacity: true)
                try readLine(line[...], take)
            }
            start = end + 1
        }
        rest.append(contentsOf: piece[start...])
        guard rest.count <= Self.lineSizeMax else {
            throw TraceError(line: lineNumber + 1, "is longer than \(Self.lineSizeMax >> 20) MiB")
        }
    }

    private mutating func readLine(_ line: ArraySlice<UInt8>, _ take: (TraceRequest) throws -> Void) throws {
        lineNumber += 1
        guard line.contains(where: { $0 > 0x20 }) else { return }
        if format == .log {
            return try take(try logged(line))
        }
        guard format != .lines || !line.allSatisfy({ $0 <= 0x20 || $0 == UInt8(ascii: "*") }) else { return }
        let columns = try numbers(line)
        switch format {
        case .lines:
            try expect(columns.count == 1, "is not one key")
            try take(TraceRequest(object: .init(columns[0])))
        case .sized, .sizedObjects:
            try expect(columns.count == 3, "is not 'time key size'")
            try expect(
                columns[0] <= UInt64(Int32.max) << 20 && columns[2] <= UInt64(Int64.max), "has a number too large")
            try take(
                TraceRequest(
                    object: .init(columns[1], format == .sizedObjects ? columns[2] : 0), size: Int(columns[2]),
                    time: timeUnit * Int(columns[0])))
        case .ranges:
            try expect(columns.count >= 2, "is not 'start count'")
            try expect(columns[1] <= Self.rangeCountMax, "counts more than \(Self.rangeCountMax) keys")
            for offset in 0..<columns[1] { try take(TraceRequest(object: .init(columns[0] &+ offset))) }
        case .keys32, .keys64, .log: break
        }
    }

    private func logged(_ line: ArraySlice<UInt8>) throws(TraceError) -> TraceRequest {
        do throws(TraceLogLine.Fault) {
            return try TraceLogLine.request(Array(line))
        } catch {
            throw TraceError(line: lineNumber, error.reason)
        }
    }

    private func expect(_ condition: Bool, _ reason: String) throws(TraceError) {
        guard condition else { throw TraceError(line: lineNumber, reason) }
    }

    /// Whole numbers between blanks.
    private func numbers(_ line: ArraySlice<UInt8>) throws(TraceError) -> [UInt64] {
        var numbers: [UInt64] = []
        var current: UInt64?
        for byte in line {
            if byte <= 0x20 {
                if let number = current { numbers.append(number) }
                current = nil
                continue
            }
            try expect((0x30...0x39).contains(byte), "has something that is no whole number")
            let (tenfold, overflow) = (current ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(UInt64(byte - 0x30))
            try expect(!overflow && !carry, "has a number too large")
            current = sum
        }
        if let number = current { numbers.append(number) }
        return numbers
    }
}
