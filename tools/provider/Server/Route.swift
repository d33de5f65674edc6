import NIOHTTP1

/// Where a call goes.
enum Route: Equatable, Sendable {
    case chat
    case completions
    case embeddings
    case models
    case readSettings
    case changeSettings
    case counts
    case resetCounts

    /// Whether the caller asks for an answer of a model, in a body.
    var isAsk: Bool { self == .chat || self == .completions || self == .embeddings }

    /// Whether it is the harness that calls: neither counted nor limited.
    var isForHarness: Bool { !isAsk && self != .models }

    /// - Parameter uri: a query is ignored. The API's paths go with and without `/v1`.
    static func find(_ method: HTTPMethod, _ uri: String) throws(Refusal) -> Route {
        let path = uri.utf8.firstIndex(of: UInt8(ascii: "?")).map { uri[..<$0] } ?? uri[...]
        switch (method, path) {
        case (.POST, "/v1/chat/completions"), (.POST, "/chat/completions"): return .chat
        case (.POST, "/v1/completions"), (.POST, "/completions"): return .completions
        case (.POST, "/v1/embeddings"), (.POST, "/embeddings"): return .embeddings
        case (.GET, "/v1/models"), (.GET, "/models"): return .models
        case (.GET, "/control"): return .readSettings
        case (.POST, "/control"): return .changeSettings
        case (.GET, "/counts"): return .counts
        case (.POST, "/counts/reset"): return .resetCounts
        default: throw known.contains(path) ? .wrongMethod(method.rawValue) : .noSuchPath(String(path))
        }
    }

    private static let known: Set<Substring> = [
        "/v1/chat/completions", "/chat/completions", "/v1/completions", "/completions", "/v1/embeddings",
        "/embeddings", "/v1/models", "/models", "/control", "/counts", "/counts/reset",
    ]
}
