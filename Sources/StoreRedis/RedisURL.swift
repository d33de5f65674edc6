import SamovarCore

/// Where the server is, as an operator writes it.
///
///     redis://[user[:password]@]host[:port][/database]
///     unix://[user[:password]@]/path/to/socket[?db=database]
///     redis+sentinel://[user[:password]@]host[:port],…/service[/database]
///     redis+cluster://[user[:password]@]host[:port],…
///     rediss://…, rediss+sentinel://…, rediss+cluster://…  the same over TLS, to all servers
///
/// The hosts of the last two are sentinels, or any nodes of the cluster: as many as one likes, since one that is there
/// is enough. User and password are those of the servers that keep data.
///
/// User and password are percent-decoded. Errors quote nothing that may be part of a password, not even where one
/// holds an unescaped `/` or `@` and spills into what looks like the host or the port.
struct RedisURL: Hashable, Sendable {
    let kind: Deployment.Kind
    let usesTLS: Bool
    let user: String?
    let password: Secret?
    let database: Int

    static let defaultPort = 6_379
    static let defaultSentinelPort = 26_379
    /// How many servers one URL may name.
    static let hostMax = 16

    init(parsing text: String) throws(RedisSettingsError) {
        guard let mark = text.firstRange(of: "://") else {
            throw RedisSettingsError("url: no scheme; \(Self.schemeHint)")
        }
        let rest = text[mark.upperBound...]
        switch text[..<mark.lowerBound] {
        case "redis": try self.init(network: rest, .single, usesTLS: false)
        case "rediss": try self.init(network: rest, .single, usesTLS: true)
        case "redis+sentinel": try self.init(network: rest, .sentinel, usesTLS: false)
        case "rediss+sentinel": try self.init(network: rest, .sentinel, usesTLS: true)
        case "redis+cluster": try self.init(network: rest, .cluster, usesTLS: false)
        case "rediss+cluster": try self.init(network: rest, .cluster, usesTLS: true)
        case "unix": try self.init(unix: rest)
        default: throw RedisSettingsError("url: unknown scheme; \(Self.schemeHint)")
        }
    }

    private static let schemeHint =
        "expected redis://, redis+sentinel://, redis+cluster://, each also with rediss, or unix://"

    private enum Shape {
        case single
        case sentinel
        case cluster
    }

    private init(network rest: Substring, _ shape: Shape, usesTLS: Bool) throws(RedisSettingsError) {
        guard !rest.contains(where: { $0 == "?" || $0 == "#" }) else {
            throw RedisSettingsError("url: ? and # have no meaning here; \(Self.escapeHint)")
        }
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count + 1)
        (user, password) = try Self.credentials(authority)
        let hosts = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        self.usesTLS = usesTLS
        switch shape {
        case .single:
            kind = .single(try Self.network(hosts, defaultPort: Self.defaultPort))
            database = path.isEmpty ? 0 : try Self.database(path)
        case .sentinel:
            let parts = path.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let words = SentinelWords(service: try Self.service(parts.first ?? ""))
            kind = .sentinel(try Self.networks(hosts, defaultPort: Self.defaultSentinelPort), words)
            database = parts.count < 2 || parts[1].isEmpty ? 0 : try Self.database(parts[1])
        case .cluster:
            kind = .cluster(try Self.networks(hosts, defaultPort: Self.defaultPort))
            database = 0
            guard path.isEmpty else {
                throw RedisSettingsError("url: a cluster has no databases to choose from; \(Self.escapeHint)")
            }
        }
    }

    private init(unix rest: Substring) throws(RedisSettingsError) {
        let authority = rest.prefix { $0 != "/" }
        let parts = rest.dropFirst(authority.count)
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.count > 1, authority.isEmpty || authority.last == "@" else {
            throw RedisSettingsError("url: unix:// needs the absolute path of a socket, as in unix:///run/redis.sock")
        }
        kind = .single(.unix(path: try Self.percentDecoded(path, "the path")))
        usesTLS = false
        (user, password) = try Self.credentials(authority)
        guard parts.count == 2 else {
            database = 0
            return
        }
        guard parts[1].hasPrefix("db=") else {
            throw RedisSettingsError("url: unix:// takes ?db=<number> and nothing else after the path")
        }
        database = try Self.database(parts[1].dropFirst(3))
    }

    private static let escapeHint = "in a password, / ? # @ : and % are written %2F %3F %23 %40 %3A and %25"

    private static func credentials(_ authority: Substring) throws(RedisSettingsError) -> (String?, Secret?) {
        guard let at = authority.lastIndex(of: "@") else { return (nil, nil) }
        let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let user = try percentDecoded(parts[0], "the user")
        let password = parts.count == 2 ? Secret(try percentDecoded(parts[1], "the password")) : nil
        return (user.isEmpty ? nil : user, password)
    }

    private static func networks(
        _ text: Substring, defaultPort: Int
    ) throws(RedisSettingsError) -> [Endpoint.Address] {
        let hosts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard hosts.count <= hostMax else { throw RedisSettingsError("url: more than \(hostMax) hosts") }
        var addresses: [Endpoint.Address] = []
        for host in hosts {
            let address = try network(host, defaultPort: defaultPort)
            if !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }

    /// The characters that Sentinel itself allows.
    private static func service(_ text: Substring) throws(RedisSettingsError) -> String {
        guard (1...128).contains(text.utf8.count),
            text.utf8.allSatisfy({ byte in
                switch UnicodeScalar(byte) {
                case "A"..."Z", "a"..."z", "0"..."9", ".", "-", "_": true
                default: false
                }
            })
        else {
            throw RedisSettingsError(
                "url: after the sentinels comes the name of the service, as in /mymaster, of letters, digits, . - and _; "
                    + escapeHint)
        }
        return String(text)
    }

    private static func network(
        _ text: Substring, defaultPort: Int
    ) throws(RedisSettingsError) -> Endpoint.Address {
        var host = text
        var port = Substring()
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else {
                throw RedisSettingsError("url: the address that begins with [ has no ]")
            }
            host = text[text.index(after: text.startIndex)..<end]
            port = text[text.index(after: end)...]
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[colon...]
        }
        guard !host.isEmpty else { throw RedisSettingsError("url: no host; \(escapeHint)") }
        guard !port.isEmpty else { return .tcp(host: String(host), port: defaultPort) }
        guard port.first == ":", let number = decimal(port.dropFirst()), (1...65_535).contains(number) else {
            throw RedisSettingsError("url: the port is not a number from 1 to 65535; \(escapeHint)")
        }
        return .tcp(host: String(host), port: number)
    }

    private static func database(_ text: Substring) throws(RedisSettingsError) -> Int {
        guard let number = decimal(text) else {
            throw RedisSettingsError("url: the database is not a number; \(escapeHint)")
        }
        return number
    }

    /// Digits only, as `Int("+1")` is a number too.
    private static func decimal(_ text: Substring) -> Int? {
        guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    private static func percentDecoded(_ text: Substring, _ part: String) throws(RedisSettingsError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                throw RedisSettingsError(
                    "url: \(part) holds a % that is not followed by two hex digits; % itself is written %25")
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self), !decoded.utf8.contains(0) else {
            throw RedisSettingsError("url: \(part) is not text once its percent escapes are read")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.map(UInt8.init)
    }
}
