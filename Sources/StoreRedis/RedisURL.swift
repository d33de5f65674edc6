import SamovarCore

/// Where the server is, as an operator writes it.
///
///     redis://[user[:password]@]host[:port][/database]
///     rediss://…                                           the same over TLS
///     unix://[user[:password]@]/path/to/socket[?db=database]
///
/// User and password are percent-decoded. Errors quote nothing that may be part of a password, not even where one
/// holds an unescaped `/` or `@` and spills into what looks like the host or the port.
struct RedisURL: Hashable, Sendable {
    let address: Endpoint.Address
    let usesTLS: Bool
    let user: String?
    let password: Secret?
    let database: Int

    static let defaultPort = 6_379

    init(parsing text: String) throws(RedisSettingsError) {
        guard let mark = text.firstRange(of: "://") else {
            throw RedisSettingsError("url: no scheme; expected redis://, rediss:// or unix://")
        }
        let rest = text[mark.upperBound...]
        switch text[..<mark.lowerBound] {
        case "redis": try self.init(network: rest, usesTLS: false)
        case "rediss": try self.init(network: rest, usesTLS: true)
        case "unix": try self.init(unix: rest)
        case "redis+sentinel", "redis+cluster":
            throw RedisSettingsError("url: \(text[..<mark.lowerBound]):// is not supported by this version")
        default:
            throw RedisSettingsError("url: unknown scheme; expected redis://, rediss:// or unix://")
        }
    }

    private init(network rest: Substring, usesTLS: Bool) throws(RedisSettingsError) {
        guard !rest.contains(where: { $0 == "?" || $0 == "#" }) else {
            throw RedisSettingsError("url: ? and # have no meaning here; \(Self.escapeHint)")
        }
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        (user, password) = try Self.credentials(authority)
        let hostAndPort = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        address = try Self.network(hostAndPort)
        self.usesTLS = usesTLS
        database = path.count <= 1 ? 0 : try Self.database(path.dropFirst())
    }

    private init(unix rest: Substring) throws(RedisSettingsError) {
        let authority = rest.prefix { $0 != "/" }
        let parts = rest.dropFirst(authority.count)
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.count > 1, authority.isEmpty || authority.last == "@" else {
            throw RedisSettingsError("url: unix:// needs the absolute path of a socket, as in unix:///run/redis.sock")
        }
        address = .unix(path: try Self.percentDecoded(path, "the path"))
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

    private static func network(_ text: Substring) throws(RedisSettingsError) -> Endpoint.Address {
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
