import SamovarCore
import SamovarWire

extension SamovarClient {
    /// How one request is to be answered. The first five are Cache-Control's (RFC 9111, 5.2.1).
    public struct Options: Hashable, Sendable {
        /// Never a stored answer, nor a call that began before; the answer is stored.
        public var noCache = false
        /// Shared with nobody, and not stored.
        public var noStore = false
        /// A stored answer or the failure `not_cached`.
        public var onlyIfCached = false
        /// No stored answer older than this, in whole seconds.
        public var maxAge: Duration?
        /// An expired answer will do if it expired no longer ago than this, in whole seconds.
        public var maxStale: Duration?
        /// How long this request may take; nil: as in ``Settings/timeout``.
        public var timeout: Duration?
        /// Which call of the provider.
        public var kind: Kind
        /// Headers that go upstream and make requests different: `openai-organization`, `openai-project`,
        /// `openai-beta`, `anthropic-version`, `anthropic-beta`. Others are not sent.
        public var headers: [String: String] = [:]
        /// The answer says whose entry it is.
        public var showsTenant = false
        /// Whether the body's digest is sent first; nil: by the body's size (``Settings/digestSizeMin``).
        public var digestFirst: Bool?

        public init(kind: Kind = .chat, timeout: Duration? = nil) {
            self.kind = kind
            self.timeout = timeout
        }
    }
}

extension SamovarClient.Options {
    /// The fixed part of the question; its deadline is written when it is sent.
    ///
    /// - Throws: `malformed` where a header's value cannot be sent.
    func ask(events: Bool) throws(SamovarClient.Failure) -> Ask {
        var options: AskOptions = events ? .events : []
        if noCache { options.insert(.noCache) }
        if noStore { options.insert(.noStore) }
        if onlyIfCached { options.insert(.onlyIfCached) }
        if maxAge != nil { options.insert(.hasMaxAge) }
        if maxStale != nil { options.insert(.hasMaxStale) }
        if showsTenant { options.insert(.showTenant) }
        return Ask(
            kind.api, options: options, maxAge: Self.seconds(maxAge), maxStale: Self.seconds(maxStale),
            metadata: try metadata())
    }

    func metadata() throws(SamovarClient.Failure) -> Metadata {
        guard !headers.isEmpty else { return Metadata() }
        var keyed = KeyedHeaders()
        for (name, value) in headers {
            guard value.isFieldText, value.utf8.count <= Self.headerByteMax else {
                throw SamovarClient.Failure(.malformed, "\(name) is too long, or no value of a header")
            }
            keyed[name.lowercased()] = value
        }
        return Metadata(keyed)
    }

    /// Whether it may be worth asking by digest: no stored answer will do, none is found.
    func asksDigestFirst(_ byteCount: Int, _ settings: SamovarClient.Settings) -> Bool {
        guard kind != .models, !noCache, !noStore else { return false }
        return digestFirst ?? settings.digestSizeMin.map { byteCount >= $0 } ?? false
    }

    private static func seconds(_ duration: Duration?) -> UInt32 {
        duration.map { UInt32(clamping: $0.components.seconds) } ?? 0
    }

    private static let headerByteMax = 8 << 10
}
