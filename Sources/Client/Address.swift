extension SamovarClient {
    /// Where a sidecar's binary port is.
    public enum Address: Hashable, Sendable, CustomStringConvertible {
        /// `host` is a name or a numeric address, without brackets.
        case tcp(host: String, port: Int)
        case unix(path: String)

        /// Reads `host:port`, `[::1]:port` or `unix:/path`.
        ///
        /// - Throws: `malformed` where it is none of them.
        public init(_ text: String) throws(Failure) {
            if text.hasPrefix("unix:") {
                let path = String(text.dropFirst(5))
                guard path.hasPrefix("/"), path.utf8.count <= Self.pathByteMax else { throw Self.malformed(text) }
                self = .unix(path: path)
                return
            }
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
                (1...65_535).contains(port)
            else { throw Self.malformed(text) }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                throw Self.malformed(text)
            }
            guard !host.isEmpty else { throw Self.malformed(text) }
            self = .tcp(host: String(host), port: port)
        }

        /// The size of `sun_path` without the zero at its end.
        private static let pathByteMax = 107

        private static func malformed(_ text: String) -> Failure {
            Failure(.malformed, "no address: '\(text)'; host:port, [::1]:port or unix:/path")
        }

        /// As it is read.
        public var description: String {
            switch self {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unix(let path): "unix:\(path)"
            }
        }
    }
}
