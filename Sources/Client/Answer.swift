import SamovarCore
import SamovarWire

extension SamovarClient {
    /// A whole answer, and where it came from.
    public struct Answer: Hashable, Sendable {
        /// What HTTP's body would be: one JSON text, or a stream of events with its blank lines.
        public let bytes: [UInt8]
        /// What is known about where it came from.
        public let origin: Origin

        public var form: Form { origin.form }
        /// Result, age, remaining fresh time, and whether it is kept.
        public var provenance: Provenance { origin.provenance }
        public var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// What the beginning of an answer says about it.
    public struct Origin: Hashable, Sendable {
        public let provenance: Provenance
        public let form: Form
        /// The answer's size, where it is known before its end.
        public let total: Int?
        /// Whose entry this is, where it was asked for (``Options/showsTenant``).
        public let tenant: String?
        /// The model that made a fallback's answer.
        public let model: String?

        init(_ head: AnswerHead, _ metadata: Metadata) {
            provenance = head.provenance
            form = head.form
            total = head.total.map(Int.init)
            tenant = metadata.text(.tenant)
            model = metadata.text(.model)
        }
    }
}
