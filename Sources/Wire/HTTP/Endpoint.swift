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
