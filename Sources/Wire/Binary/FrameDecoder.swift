/// Cuts a connection's bytes into frames, in place, and judges their headers (Protocol.md §3.5, steps 1 to 7).
///
///     client's bytes:  magic ──8 bytes──▶ hello ──HELLO──▶ frames ◀─▶ skipping a refused payload
///     server's bytes:                     hello ──HELLO_REPLY or ERROR──▶ frames
///                                            any breach of the connection's rules ──▶ broken
///
/// It copies nothing and holds no bytes: whoever reads keeps what is not consumed yet, at most one frame. What it
/// accepts has a payload of at least its fixed part, so that the messages' readers need not ask again. O(1) a frame.
public struct FrameDecoder: Hashable, Sendable {
    /// Whose bytes are read.
    public enum Sender: Hashable, Sendable {
        case client
        case server
    }

    public enum Event: Hashable, Sendable {
        /// A whole frame; where its payload stands in the bytes that were given.
        case frame(FrameHeader, payload: Range<Int>)
        /// Answer its id with this error; where the id is in flight, with DUPLICATE_ID instead. Its payload is skipped.
        case refused(FrameHeader, ProtocolError)
        /// Say this with id 0 and close.
        case broken(ProtocolError)
        /// Say `answer`, if it has one, and close.
        case foreign(ForeignProtocol)
    }

    private enum Phase: Hashable {
        case magic
        case hello
        case frames
        case broken
    }

    private let sender: Sender
    public var limits: BinaryLimits
    /// What was agreed on; for the one who has read HELLO or HELLO_REPLY to set.
    public var version = ProtocolVersion.first
    private var phase: Phase
    /// Bytes of a refused payload that are still to come.
    private var skipped = 0
    /// How many bytes from the offset on there must be before it is worth asking again. At least 1.
    public private(set) var neededByteCount: Int
    /// Whether it is within a payload that was refused.
    public var isSkipping: Bool { skipped > 0 }

    public init(readingFrom sender: Sender, limits: BinaryLimits = BinaryLimits()) {
        self.sender = sender
        self.limits = limits
        phase = sender == .client ? .magic : .hello
        neededByteCount = sender == .client ? Magic.bytes.count : FrameHeader.byteCount
    }

    /// The next thing in these bytes, or nil where more must come first.
    ///
    /// - Parameter offset: where to go on; moved behind what was consumed. Bytes before it are not needed any more.
    public mutating func next(_ bytes: RawSpan, at offset: inout Int) -> Event? {
        skip(bytes, at: &offset)
        guard skipped == 0 else { return nil }
        switch phase {
        case .magic:
            guard let foreign = readMagic(bytes, at: &offset) else {
                return phase == .magic ? nil : next(bytes, at: &offset)
            }
            return foreign
        case .hello, .frames: return readFrame(bytes, at: &offset)
        case .broken:
            offset = bytes.byteCount
            return nil
        }
    }

    private mutating func skip(_ bytes: RawSpan, at offset: inout Int) {
        guard skipped > 0 else { return }
        let count = min(skipped, bytes.byteCount - offset)
        offset += count
        skipped -= count
        neededByteCount = skipped > 0 ? 1 : FrameHeader.byteCount
    }

    private mutating func readMagic(_ bytes: RawSpan, at offset: inout Int) -> Event? {
        let count = min(Magic.bytes.count, bytes.byteCount - offset)
        for index in 0..<count where bytes.byte(at: offset + index) != Magic.bytes[index] {
            let foreign = ForeignProtocol(bytes.extracting(offset..<bytes.byteCount))
            phase = .broken
            offset = bytes.byteCount
            return .foreign(foreign)
        }
        guard count == Magic.bytes.count else { return nil }
        offset += count
        phase = .hello
        neededByteCount = FrameHeader.byteCount
        return nil
    }

    private mutating func readFrame(_ bytes: RawSpan, at offset: inout Int) -> Event? {
        let available = bytes.byteCount - offset
        guard available >= FrameHeader.byteCount else {
            neededByteCount = FrameHeader.byteCount
            return nil
        }
        let header = FrameHeader(bytes, at: offset)
        if let error = fault(of: header) { return reject(header, error, bytes, at: &offset) }
        guard available >= header.frameByteCount else {
            neededByteCount = header.frameByteCount
            return nil
        }
        let start = offset + FrameHeader.byteCount
        offset += header.frameByteCount
        phase = .frames
        neededByteCount = FrameHeader.byteCount
        return .frame(header, payload: start..<offset)
    }

    private mutating func reject(
        _ header: FrameHeader, _ error: ProtocolError, _ bytes: RawSpan, at offset: inout Int
    ) -> Event {
        guard !error.closes else {
            phase = .broken
            offset = bytes.byteCount
            return .broken(error)
        }
        offset += FrameHeader.byteCount
        skipped = Int(header.length)
        skip(bytes, at: &offset)
        return .refused(header, error)
    }

    // MARK: Headers

    /// What is wrong with a header; nil where its payload is to be read.
    func fault(of header: FrameHeader) -> ProtocolError? {
        switch (sender, phase) {
        case (.client, .hello): faultOfFirst(header)
        case (.client, _): faultOfClients(header)
        case (.server, _): faultOfServers(header).map { ProtocolError(.malformedFrame, $0) }
        }
    }

    private func faultOfFirst(_ header: FrameHeader) -> ProtocolError? {
        guard header.length <= limits.helloSizeMax else {
            return ProtocolError(.frameTooLarge, .firstLengthOverMax)
        }
        guard header.opcode == Opcode.hello.rawValue, header.version == ProtocolVersion.first else {
            return ProtocolError(.helloExpected, .notHello)
        }
        return faultOfControl(header, .hello)
    }

    private func faultOfClients(_ header: FrameHeader) -> ProtocolError? {
        guard header.length <= limits.frameSizeMax else { return ProtocolError(.frameTooLarge, .lengthOverMax) }
        let opcode = Opcode(rawValue: header.opcode)
        guard header.version == version else {
            // A control frame opens no request that could be refused under its id.
            let isRequest = header.id != 0 && opcode?.isControl != true
            return ProtocolError(isRequest ? .unknownVersion : .malformedFrame, .version)
        }
        if let opcode, opcode.isControl {
            return opcode == .hello
                ? ProtocolError(.helloRepeated, .secondHello) : faultOfControl(header, opcode)
        }
        guard header.id != 0 else { return ProtocolError(.malformedFrame, .zeroID) }
        guard let opcode, opcode.isFromClient else { return ProtocolError(.unknownOpcode, .opcode) }
        guard header.flags.isEmpty else { return .malformed(.flags) }
        return opcode.byteCounts.contains(Int(header.length)) ? nil : .malformed(.length)
    }

    private func faultOfControl(_ header: FrameHeader, _ opcode: Opcode) -> ProtocolError? {
        guard header.flags.isEmpty else { return ProtocolError(.malformedFrame, .flags) }
        guard (header.id == 0) == opcode.isAboutConnection else {
            return ProtocolError(.malformedFrame, header.id == 0 ? .zeroID : .nonzeroID)
        }
        guard opcode.byteCounts.contains(Int(header.length)) else { return ProtocolError(.malformedFrame, .length) }
        return nil
    }

    private func faultOfServers(_ header: FrameHeader) -> ProtocolError.Fault? {
        guard header.length <= limits.replySizeMax else { return .lengthOverMax }
        guard header.version == (phase == .hello ? ProtocolVersion.first : version) else { return .version }
        guard let opcode = Opcode(rawValue: header.opcode), opcode.isFromServer else { return .opcode }
        guard opcode.byteCounts.contains(Int(header.length)) else { return .length }
        if let isAboutConnection = opcode.isAboutConnection, (header.id == 0) != isAboutConnection {
            return header.id == 0 ? .zeroID : .nonzeroID
        }
        if phase == .hello {
            guard opcode == .helloReply || (opcode == .error && header.id == 0) else { return .notHello }
        } else if opcode == .helloReply {
            return .secondHello
        }
        return faultOfFlags(header, opcode)
    }

    /// Which frames a server ends a reply with (Protocol.md §3.4).
    private func faultOfFlags(_ header: FrameHeader, _ opcode: Opcode) -> ProtocolError.Fault? {
        let ends = header.flags.contains(.end)
        switch opcode {
        case .answer, .data:
            guard header.flags.isSubset(of: [.end, .eventEnd]) else { return .flags }
            return opcode == .data && header.length == 0 && !ends ? .end : nil
        case .bodyNeeded, .done: return header.flags == .end ? nil : .end
        case .error:
            // DUPLICATE_ID has none, but that stands in the payload.
            guard header.flags.isSubset(of: .end) else { return .flags }
            return header.id == 0 && ends ? .end : nil
        default: return header.flags.isEmpty ? nil : .flags
        }
    }
}
