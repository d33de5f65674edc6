/// The parts of an absolute URL as written (RFC 3986, section 3). Nothing is decoded.
struct URLParts {
    let scheme: String
    /// What stands before `@`: where people put passwords.
    let userInfo: Substring?
    /// One `host` or `host:port`, or several with commas between them.
    let hosts: Substring
    let path: Substring
    /// The query and the fragment, with the `?` or `#` before them.
    let end: Substring

    /// Nil where there is no `scheme://`, or where a space, a control or a character outside ASCII is in it.
    init?(_ text: String) {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let colon = text.firstIndex(of: ":") else {
            return nil
        }
        let afterScheme = text[text.index(after: colon)...]
        guard afterScheme.hasPrefix("//") else { return nil }
        scheme = text[..<colon].lowercased()
        let rest = afterScheme.dropFirst(2)
        let authority = rest.prefix { !"/?#".contains($0) }
        let at = authority.lastIndex(of: "@")
        userInfo = at.map { authority[..<$0] }
        hosts = at.map { authority[authority.index(after: $0)...] } ?? authority
        path = rest[authority.endIndex...].prefix { !"?#".contains($0) }
        end = rest[path.endIndex...]
    }
}

/// A `host:port`, where the port may be left out and an IPv6 address stands in brackets.
struct HostAndPort {
    let host: Substring
    let isBracketed: Bool
    let port: Int?

    /// Nil where the host is empty, or the port is none from 0 to 65535.
    init?(_ text: Substring) {
        let afterHost: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            (isBracketed, host) = (true, text[..<end].dropFirst())
            afterHost = text[end...].dropFirst()
        } else {
            (isBracketed, host) = (false, text.prefix { $0 != ":" })
            afterHost = text[host.endIndex...]
        }
        guard !host.isEmpty else { return nil }
        guard !afterHost.isEmpty else {
            port = nil
            return
        }
        let digits = afterHost.dropFirst()
        guard afterHost.first == ":", (1...5).contains(digits.utf8.count),
            digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            digits == "0" || digits.first != "0", let number = Int(digits), number <= 65_535
        else { return nil }
        port = number
    }

    /// Whether it looks like a name or an IPv4 address: letters, digits, dots and hyphens.
    static func isName(_ host: some StringProtocol) -> Bool {
        (1...253).contains(host.utf8.count)
            && host.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                }
            }
    }

    /// Whether the host can be one: in brackets an IPv6 address, otherwise a name or an IPv4 address.
    var isPlausible: Bool {
        isBracketed ? IPAddress(v6: String(host)) != nil : Self.isName(host)
    }
}
