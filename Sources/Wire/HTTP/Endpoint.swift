import SamovarCore

/// What a path on the data port is.
///
/// Paths are compared exactly, as sent, before any percent-decoding: nothing but these spellings is ever answered
/// from the cache, so no dressed-up path can become a cached one. A query is never part of a cached call.
public enum Endpoint: Hashable, Sendable {
    case api(APIKind)
    /// Anything else, to be passed through or refused.
    case other

    public init(method: String, target: String) {
        switch (method, target) {
        case ("POST", "/v1/chat/completions"), ("POST", "/chat/completions"): self = .api(.chat)
        case ("POST", "/v1/completions"), ("POST", "/completions"): self = .api(.completions)
        case ("POST", "/v1/embeddings"), ("POST", "/embeddings"): self = .api(.embeddings)
        case ("GET", "/v1/models"), ("GET", "/models"): self = .api(.models)
        default: self = .other
        }
    }

    /// The call that a head asks for, without taking its text out; nil for anything else.
    public static func kind(of fields: HeadFields, in bytes: Span<UInt8>, from start: Int) -> APIKind? {
        func isSame(_ place: HeadFields.Place, _ text: StaticString, after skipped: Int = 0) -> Bool {
            guard Int(place.count) - skipped == text.utf8CodeUnitCount else { return false }
            let first = start + Int(place.start) + skipped
            return text.withUTF8Buffer { text in
                for offset in 0..<text.count where bytes[first + offset] != text[offset] { return false }
                return true
            }
        }
        func isTarget(_ path: StaticString) -> Bool {
            isSame(fields.target, path)
                || (isSame(fields.target, path, after: 3) && bytes[start + Int(fields.target.start)] == 0x2F
                    && bytes[start + Int(fields.target.start) + 1] == UInt8(ascii: "v")
                    && bytes[start + Int(fields.target.start) + 2] == UInt8(ascii: "1"))
        }
        if isSame(fields.method, "POST") {
            if isTarget("/chat/completions") { return .chat }
            if isTarget("/completions") { return .completions }
            return isTarget("/embeddings") ? .embeddings : nil
        }
        return isSame(fields.method, "GET") && isTarget("/models") ? .models : nil
    }

    /// The methods that a known path takes; nil for an unknown path.
    public static func allowedMethod(target: String) -> String? {
        for method in ["POST", "GET"] where Endpoint(method: method, target: target) != .other { return method }
        return nil
    }
}

extension APIKind {
    /// The path below an upstream's base URL, which carries its own `/v1` where it wants one.
    public var upstreamPath: String {
        switch self {
        case .chat: "/chat/completions"
        case .completions: "/completions"
        case .embeddings: "/embeddings"
        case .models: "/models"
        }
    }
}
