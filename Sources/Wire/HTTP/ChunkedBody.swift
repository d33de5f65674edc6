/// Takes a body out of its chunks (RFC 9112, 7.1), piece by piece.
///
/// Strict: sizes are hexadecimal digits and nothing else, lines end with CR LF, trailers look like field lines (and
/// are dropped). What is nearly all framing, such as extensions that go on and on, is refused. O(bytes).
public struct ChunkedBody: Sendable {
    public struct Limits: Hashable, Sendable {
        /// `body_size_max`
        public var bodySizeMax: Int
        /// `header_size_max`: of the trailers together.
        public var trailerSizeMax: Int
    }

    public enum Fault: Error, Hashable, Sendable {
        case framing
        case padding
        case tooLarge
    }

    private enum Phase {
        case size(value: Int, digitCount: Int)
        case `extension`
        case sizeLineFeed
        case data(remaining: Int)
        case dataReturn
        case dataLineFeed
        case trailer(TrailerPart)
        case whole
    }

    private enum TrailerPart {
        case start
        case name
        case value
        case lineFeed
        case lastLineFeed
    }

    private let limits: Limits
    private var phase = Phase.size(value: 0, digitCount: 0)
    private var isLast = false
    private var size = 0
    private var framingByteCount = 0
    private var trailerByteCount = 0
    public private(set) var body: [UInt8] = []

    private static let paddingMax = 64 << 10
    /// A size of more digits is either over every limit or dressed up with zeros.
    private static let digitCountMax = 15

    public init(limits: Limits) {
        self.limits = limits
    }

    public var isWhole: Bool { if case .whole = phase { true } else { false } }

    /// Reads on; returns the index behind what belongs to this body.
    public mutating func read(_ bytes: Span<UInt8>, from start: Int) throws(Fault) -> Int {
        var index = start
        while index < bytes.count {
            if case .whole = phase { break }
            if case .data(let remaining) = phase {
                let count = min(remaining, bytes.count - index)
                bytes.extracting(index..<index + count).withUnsafeBufferPointer { body.append(contentsOf: $0) }
                index += count
                phase = remaining > count ? .data(remaining: remaining - count) : .dataReturn
                continue
            }
            try step(bytes[index])
            index += 1
            framingByteCount += 1
            guard framingByteCount <= Self.paddingMax + 8 * body.count else { throw .padding }
        }
        return index
    }

    private mutating func step(_ byte: UInt8) throws(Fault) {
        switch phase {
        case .size(let value, let digitCount): try sizeByte(byte, value, digitCount)
        case .extension:
            if byte == 0x0D {
                phase = .sizeLineFeed
                return
            }
            guard byte >= 0x20 || byte == 0x09, byte != 0x7F else { throw .framing }
        case .sizeLineFeed:
            guard byte == 0x0A else { throw .framing }
            phase = isLast ? .trailer(.start) : .data(remaining: size)
        case .dataReturn:
            guard byte == 0x0D else { throw .framing }
            phase = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0A else { throw .framing }
            phase = .size(value: 0, digitCount: 0)
        case .trailer(let part): try trailerByte(byte, part)
        case .data, .whole: throw .framing
        }
    }

    private mutating func sizeByte(_ byte: UInt8, _ value: Int, _ digitCount: Int) throws(Fault) {
        if let digit = byte.hexDigitValue {
            guard digitCount < Self.digitCountMax else { throw .framing }
            let value = value << 4 | digit
            guard value <= limits.bodySizeMax - body.count else { throw .tooLarge }
            phase = .size(value: value, digitCount: digitCount + 1)
            return
        }
        guard digitCount > 0 else { throw .framing }
        size = value
        isLast = value == 0
        switch byte {
        case 0x0D: phase = .sizeLineFeed
        case UInt8(ascii: ";"): phase = .extension
        default: throw .framing
        }
    }

    private mutating func trailerByte(_ byte: UInt8, _ part: TrailerPart) throws(Fault) {
        trailerByteCount += 1
        guard trailerByteCount <= limits.trailerSizeMax else { throw .padding }
        switch part {
        case .start:
            if byte == 0x0D {
                phase = .trailer(.lastLineFeed)
                return
            }
            guard byte.isTokenByte else { throw .framing }
            phase = .trailer(.name)
        case .name:
            if byte == 0x3A {
                phase = .trailer(.value)
                return
            }
            guard byte.isTokenByte else { throw .framing }
        case .value:
            if byte == 0x0D {
                phase = .trailer(.lineFeed)
                return
            }
            guard byte >= 0x20 || byte == 0x09, byte != 0x7F else { throw .framing }
        case .lineFeed:
            guard byte == 0x0A else { throw .framing }
            phase = .trailer(.start)
        case .lastLineFeed:
            guard byte == 0x0A else { throw .framing }
            phase = .whole
        }
    }
}

extension UInt8 {
    fileprivate var hexDigitValue: Int? {
        switch self {
        case 0x30...0x39: Int(self) - 0x30
        case 0x41...0x46: Int(self) - 0x41 + 10
        case 0x61...0x66: Int(self) - 0x61 + 10
        default: nil
        }
    }
}
