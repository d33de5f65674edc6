import SamovarCore
import SamovarWire

extension SamovarClient {
    /// Why a request has no answer, or no whole one.
    ///
    /// Decide by ``code``, ``isRetryable`` and ``retryAfter``; ``message`` is for people.
    public struct Failure: Error, Hashable, Sendable {
        public var code: Code
        /// What HTTP would have answered; an upstream's 429 stays a 429.
        public var status: Int
        /// The same request may succeed if it is asked again.
        public var isRetryable: Bool
        /// Not before this has passed.
        public var retryAfter: Duration?
        /// The upstream's own status, where it said one.
        public var upstreamStatus: Int?
        public var message: String
        /// The error in OpenAI's shape, where the sidecar sent one; the upstream's own words where it refused.
        public var body: [UInt8] = []

        /// What a sidecar said.
        init(_ frame: ErrorFrame) {
            code = frame.code.map(Code.init) ?? Code("code_\(frame.rawCode)")
            status = Int(frame.status)
            isRetryable = frame.isRetryable
            retryAfter = frame.retryAfterMilliseconds.map { .milliseconds($0) }
            upstreamStatus = frame.upstreamStatus == 0 ? nil : Int(frame.upstreamStatus)
            message = ErrorText.message(in: frame.body) ?? "status \(frame.status)"
            body = frame.body
        }

        /// What the client itself found.
        init(_ code: Code, _ message: String) {
            self.code = code
            let (status, isRetryable) = code.standing
            self.status = status
            self.isRetryable = isRetryable
            self.message = message
        }
    }
}

extension SamovarClient.Failure: CustomStringConvertible {
    /// `deadline (504): …`
    public var description: String { "\(code.name) (\(status)): \(message)" }
}
