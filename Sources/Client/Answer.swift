import SamovarCore
import SamovarWire

extension SamovarClient {
    /// A whole answer, and where it came from.
    public struct Answer: Hashable, Sendable {
        /// What HTTP's body would be: one JSON text, or a stream of events with its blank lines.
        public let bytes: [UInt8]
        /// What its beginning said about it.
        public let origin: Origin

        public var form: Form { origin.form }
        public var result: ServeResult { origin.result }
        public var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// Where an answer comes from.
    public struct Origin: Hashable, Sendable {
        public let result: ServeResult
        /// How long ago a stored answer was made, in whole seconds; nil for one that is made now.
        public let age: Duration?
        /// How long it is still fresh, in whole seconds; negative: how long it has not been.
        public let remaining: Duration?
        /// Whether it is kept; nil where that was not decided yet.
        public let isStored: Bool?
        public let form: Form
        /// The answer's size in bytes, where it was known at its beginning.
        public let total: Int?
        /// Whose entry this is, where it was asked for (``Options/showsTenant``).
        public let tenant: String?
        /// The model that made a fallback's answer.
        public let model: String?

        init(_ head: AnswerHead, _ metadata: Metadata) {
            result = ServeResult(head.result)
            age = head.age.map { .seconds($0) }
            remaining = head.remaining.map { .seconds($0) }
            isStored = head.stored
            form = Form(head.form)
            total = head.total.map(Int.init)
            tenant = metadata.text(.tenant)
            model = metadata.text(.model)
        }
    }
}
