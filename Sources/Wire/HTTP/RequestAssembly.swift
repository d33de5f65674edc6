import SamovarCore

/// The head of a request, as far as a front decides by it.
public struct RequestHead: Hashable, Sendable {
    public let method: String
    /// As sent, before any percent-decoding.
    public let target: String
    /// In the order in which they came; names are compared without case.
    public let headers: [(name: String, value: String)]
    /// HTTP/1.1; otherwise it is 1.0, which knows no chunks.
    public let isHTTP11: Bool

    public init(method: String, target: String, headers: [(name: String, value: String)], isHTTP11: Bool = true) {
        self.method = method
        self.target = target
        self.headers = headers
        self.isHTTP11 = isHTTP11
    }

    public func values(_ name: String) -> [String] {
        headers.filter { Self.isSame($0.name, name) }.map(\.value)
    }

    /// The value of a header, or nil; several of one name are joined as HTTP has it.
    public func value(_ name: String) -> String? {
        var found: String?
        for header in headers where Self.isSame(header.name, name) {
            found = found.map { "\($0), \(header.value)" } ?? header.value
        }
        return found
    }

    /// Lengths first: they tell most names apart for the price of a comparison.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        one.utf8.count == other.utf8.count && one.utf8.elementsEqualIgnoringCase(other.utf8)
    }

    public static func == (left: RequestHead, right: RequestHead) -> Bool {
        left.method == right.method && left.target == right.target
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(target)
    }
}

extension Sequence<UInt8> {
    fileprivate func elementsEqualIgnoringCase(_ other: some Sequence<UInt8>) -> Bool {
        elementsEqual(other) { left, right in
            left == right || (left | 0x20 == right | 0x20 && (0x61...0x7A).contains(left | 0x20))
        }
    }
}

/// Puts one request together from its head and pieces, and refuses what must not be answered.
///
/// What makes the end of a request doubtful is refused and the connection closed (RFC 9112, 6.1 and 11.2): nobody
/// behind us may ever see another request than we did.
public struct RequestAssembly: Sendable {
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

    private let limits: Limits
    private let names: Names
    private var body: [UInt8] = []

    public init(limits: Limits, names: Names) {
        self.limits = limits
        self.names = names
    }

    /// The head has come. O(headers).
    public func begin(_ head: RequestHead) -> HeadAction {
        if let refusal = framing(head) ?? identity(head) ?? content(head) { return .refuse(refusal) }
        switch head.value("expect")?.lowercased() {
        case nil: return .read
        case "100-continue": return .sayContinue
        default: return .refuse(Self.error(417, "only 'Expect: 100-continue' is understood", code: "expectation"))
        }
    }

    /// A piece of the body has come; nil to read on.
    public mutating func add(_ piece: some Collection<UInt8>) -> ErrorReply? {
        guard body.count + piece.count <= limits.bodySizeMax else { return tooLarge }
        body.append(contentsOf: piece)
        return nil
    }

    /// The request is whole.
    public consuming func finish() -> [UInt8] { body }

    private var tooLarge: ErrorReply {
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
