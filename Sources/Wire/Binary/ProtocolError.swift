/// A frame against the rules: its code, and precisely which rule.
public struct ProtocolError: Error, Hashable, Sendable {
    public let code: ErrorCode
    public let fault: Fault

    public init(_ code: ErrorCode, _ fault: Fault) {
        self.code = code
        self.fault = fault
    }

    /// Whether the connection ends with it.
    public var closes: Bool { code.closes }

    /// For people. Holds nothing that was sent.
    public var message: String { fault.rawValue }

    /// The same fault where there is no request to be refused: in a control frame it is the connection's.
    var inControlFrame: ProtocolError { closes ? self : ProtocolError(.malformedFrame, fault) }

    static func malformed(_ fault: Fault) -> ProtocolError { ProtocolError(.malformed, fault) }

    /// Which rule of Protocol.md.
    public enum Fault: String, CaseIterable, Hashable, Sendable {
        case lengthOverMax = "the length is over frame_size_max"
        case firstLengthOverMax = "the length is over what a first frame may have"
        case notHello = "the first frame is not HELLO in version 1"
        case secondHello = "HELLO was sent already"
        case versionRange = "version min must be at least 1 and at most version max"
        case noCommonVersion = "no version in this range is spoken here"
        case window = "window must be 0 or at least 1024"
        case version = "the version is not the one that was agreed on"
        case opcode = "the opcode is not known, or not this side's to send"
        case flags = "a flag is set that this frame does not have"
        case end = "END is missing, or set where it has no meaning"
        case zeroID = "a request has an id other than 0"
        case nonzeroID = "what is about the connection has id 0"
        case length = "the length does not fit this opcode"
        case reserved = "a reserved field is not 0"
        case zero = "a limit is 0 without which nothing can be asked"
        case absent = "a field is not 0 that is declared absent"
        case metadataOverMax = "the metadata are over metadata_size_max"
        case metadataOverrun = "the metadata run past the payload"
        case fieldOverrun = "a field runs past the metadata"
        case fieldCount = "there are more than 10 fields"
        case fieldOrder = "fields must stand in ascending order, no type twice"
        case fieldUnknown = "a field has an unknown type below 128"
        case fieldMisplaced = "a field does not belong to this message"
        case fieldText = "a field's value is not field text"
        case fieldSize = "a field's value has not the right size"
        case kind = "the kind is not known"
        case options = "an option is set that this message does not have"
        case bodyOverMax = "the body is over body_size_max"
        case bodyOverrun = "the body runs past the payload"
        case bodyUnexpected = "this kind has no body"
        case digestUnexpected = "this kind has no body, and no digest"
        case digestMismatch = "the body does not have this digest"
        case idInFlight = "the id is in flight"
        case trailing = "bytes follow the end of the message"
        case form = "the form is not known, or this kind has no streams"
        case target = "the target is not known"
        case text = "the text is not UTF-8, or not of the right size"
        case result = "the result is not known"
        case facts = "a fact is set that does not exist, or without the one that it needs"
        case outcome = "the outcome is not known"
        case credit = "a credit of 0"
    }
}
