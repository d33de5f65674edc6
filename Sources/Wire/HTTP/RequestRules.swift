import SamovarCore

/// What a request's head must be like for the request to be answered.
///
/// What makes the end of a request doubtful is refused and the connection closed (RFC 9112, 6.1 and 11.2): nobody
/// behind us may ever see another request than we did.
public struct RequestRules: Sendable {
    public struct Limits: Hashable, Sendable {
        public var bodySizeMax: Int
        public var headerCountMax: Int

        public init(bodySizeMax: Int = 8 << 20, headerCountMax: Int = 100) {
            self.bodySizeMax = bodySizeMax
            self.headerCountMax = headerCountMax
        }
    }

    /// Which Host and Origin a port answers to.
    public struct Names: Hashable, Sendable {
        /// Besides `localhost` and loopback addresses.
        public var hosts: Set<String>
        public var origins: Set<String>
        /// A Unix socket is reached by no browser, under whatever name.
        public var anyHost: Bool

        public init(hosts: Set<String> = [], origins: Set<String> = [], anyHost: Bool = false) {
            self.hosts = hosts
            self.origins = origins
            self.anyHost = anyHost
        }
    }

    public enum HeadAction: Hashable, Sendable {
        case read
        /// Read on, after telling the caller to send its body.
        case sayContinue
        /// Answer with this and close the connection.
        case refuse(ErrorReply)
    }

    public let limits: Limits
    private let names: Names
    /// What every request must show in `Proxy-Authorization: Bearer …` (RFC 9110, 11.7); nil: nothing.
    ///
    /// Not in Authorization, which may be the caller's own and go upstream.
    let accessToken: Secret?

    public init(limits: Limits, names: Names, accessToken: Secret? = nil) {
        self.limits = limits
        self.names = names
        self.accessToken = accessToken
    }

    /// What to do with a request that begins so. O(headers).
    public func judge(_ head: RequestHead) -> HeadAction {
        if let refusal = framing(head) ?? identity(head) ?? access(head) ?? content(head) { return .refuse(refusal) }
        switch head.value("expect")?.lowercased() {
        case nil: return .read
        case "100-continue": return .sayContinue
        default: return .refuse(Self.error(417, "only 'Expect: 100-continue' is understood", code: "expectation"))
        }
    }

    var tooLarge: ErrorReply {
        Self.error(413, "the body is larger than body_size_max (\(limits.bodySizeMax) bytes)", code: "body_size_max")
    }

    private func framing(_ head: RequestHead) -> ErrorReply? {
        guard head.headers.count <= limits.headerCountMax else {
            return Self.error(
                431, "more than header_count_max (\(limits.headerCountMax)) headers", code: "header_count_max")
        }
        guard head.target.hasPrefix("/"), !head.target.hasPrefix("//") else {
            return Self.error(400, "the request target must be a path", code: "request_target")
        }
        let lengths = head.values("content-length")
        let encodings = head.values("transfer-encoding")
        guard lengths.isEmpty || encodings.isEmpty else {
            return Self.error(400, "Content-Length and Transfer-Encoding exclude each other", code: "framing")
        }
        guard encodings.isEmpty || head.isHTTP11 else {
            return Self.error(400, "HTTP/1.0 has no Transfer-Encoding", code: "framing")
        }
        guard encodings.isEmpty || (encodings.count == 1 && encodings[0].lowercased() == "chunked") else {
            return Self.error(400, "only 'Transfer-Encoding: chunked' is understood", code: "framing")
        }
        guard let text = lengths.first else { return nil }
        guard lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = Int(text)
        else { return Self.error(400, "Content-Length must be one decimal number", code: "framing") }
        return length > limits.bodySizeMax ? tooLarge : nil
    }

    /// A page in a browser on this host can reach a loopback port, also under a name of its own (DNS rebinding).
    private func identity(_ head: RequestHead) -> ErrorReply? {
        let hosts = head.values("host")
        guard hosts.count <= 1 else { return Self.error(400, "more than one Host", code: "framing") }
        if !names.anyHost {
            guard let host = hosts.first,
                Self.isLoopback(Self.name(of: host)) || names.hosts.contains(Self.name(of: host))
            else { return Self.error(403, "this Host is not answered to", code: "host") }
        }
        if let origin = head.value("origin"), !names.origins.contains(origin) {
            return Self.error(403, "this Origin is not answered to", code: "origin")
        }
        return nil
    }

    private func access(_ head: RequestHead) -> ErrorReply? {
        guard let accessToken else { return nil }
        let shown = head.values("proxy-authorization")
        let scheme = "bearer "
        guard shown.count == 1, shown[0].prefix(scheme.count).lowercased() == scheme,
            accessToken.isSame(as: Secret(String(shown[0].dropFirst(scheme.count))))
        else {
            return Self.error(407, "Proxy-Authorization: the access token is wrong, or missing", code: "access_token")
        }
        return nil
    }

    private func content(_ head: RequestHead) -> ErrorReply? {
        guard let encoding = head.value("content-encoding"), encoding.lowercased() != "identity" else { return nil }
        return Self.error(415, "compressed bodies are not read", code: "content_encoding")
    }

    /// A Host's name without its port, in lower case.
    private static func name(of host: String) -> String {
        let host = host.lowercased()
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
        return String(host.prefix { $0 != ":" })
    }

    private static func isLoopback(_ name: String) -> Bool {
        if name == "localhost" || name == "[::1]" { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func error(_ status: Int, _ message: String, code: String) -> ErrorReply {
        ErrorReply(status: status, message: message, type: "invalid_request_error", code: code)
    }
}
