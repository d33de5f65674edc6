import SamovarCore
import SamovarWire

extension SamovarClient {
    /// Who a client is, and the bounds of all that it holds. Every bound has a default.
    public struct Settings: Sendable {
        /// The whole value of the Authorization header, `Bearer …` included, for all requests of this client.
        public var authorization: Secret?
        /// What ``SamovarClient/put(_:form:for:ttl:options:)``, ``SamovarClient/invalidate(_:options:)``,
        /// ``SamovarClient/warm(_:options:)`` and ``SamovarClient/stats()`` need.
        public var adminToken: Secret?
        /// For sidecars that ask everybody for one.
        public var accessToken: Secret?
        /// Who is speaking, for people; decides nothing. At most 64 bytes.
        public var software = "samovar-swift/1"

        /// How long a request may take, waiting for a connection and a place included, unless its options say so;
        /// nil: as long as the sidecar.
        public var timeout: Duration?
        /// From this size on, in bytes, a body's digest is sent first, and the body where it is needed; nil: never.
        /// Saves sending and reading of bodies that were asked before, at the price of one more round trip for others.
        public var digestSizeMin: Int? = 16 << 10

        /// How many bytes of one stream may come ahead of its reader. The sidecar may choose less. At least 1,024.
        public var windowSize = 256 << 10
        /// Requests on a connection at once; the sidecar may allow fewer. Others wait, within their deadlines.
        public var inflightMax = 256
        /// Requests that wait for a connection or a place. Beyond it they fail with `waiting_max`.
        public var waitingMax = 1_024
        /// The bytes of one answer that is gathered, and of one event.
        public var answerSizeMax = 64 << 20

        /// Of one try to connect.
        public var connectTimeout = Duration.seconds(2)
        /// Between the connection and the sidecar's greeting.
        public var helloTimeout = Duration.seconds(5)
        /// How long a request waits while there is no connection at all. Tries go on in the meantime.
        public var reachTimeout = Duration.seconds(5)
        /// How long nothing may come from the sidecar, not even the answer to a PING, before the connection counts as
        /// lost. The sidecar's own `idle_timeout` where that is shorter; nil: always that.
        public var silenceMax: Duration?
        /// How long the sidecar may take to confirm that a cancelled request has ended, before the connection counts
        /// as broken.
        public var cancelTimeout = Duration.seconds(30)
        /// The bounds of the time between two tries to connect: it doubles, and is drawn at random below that.
        public var waitMin = Duration.milliseconds(20)
        public var waitMax = Duration.seconds(1)

        public init() {}
    }
}

extension SamovarClient.Settings {
    /// What a connection says first.
    ///
    /// - Throws: `malformed` where a credential cannot be sent. The sidecar would close every connection over it.
    func hello() throws(SamovarClient.Failure) -> Hello {
        var metadata = Metadata()
        let texts: [(Metadata.Field, String?, Int)] = [
            (.authorization, authorization?.revealed, Self.credentialByteMax),
            (.adminToken, adminToken?.revealed, Self.credentialByteMax),
            (.accessToken, accessToken?.revealed, Self.credentialByteMax),
            (.software, software.isEmpty ? nil : software, Self.softwareByteMax),
        ]
        for (field, text, byteMax) in texts {
            guard let text else { continue }
            guard text.utf8.count <= byteMax, text.isFieldText else {
                throw SamovarClient.Failure(.malformed, "\(field) is too long, or no value of a header")
            }
            metadata.set(field, text)
        }
        return Hello(
            features: [.digest, .events], window: UInt32(clamping: max(windowSize, BinaryLimits.windowSizeMin)),
            metadata: metadata)
    }

    /// Three of them, with all else, stay below the 16 KiB that a greeting may have.
    private static let credentialByteMax = 5 << 10
    private static let softwareByteMax = 64
}

extension String {
    /// What may stand in a header (Protocol.md §1.4): printable ASCII and tabs, no blank at either end.
    var isFieldText: Bool {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        guard let first = utf8.first, let last = utf8.last else { return true }
        return !isBlank(first) && !isBlank(last) && utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x09 }
    }
}
