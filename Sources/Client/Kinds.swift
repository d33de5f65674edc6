import SamovarCore

// Types of our own for whatever callers see: they need no import but `SamovarClient`.

extension SamovarClient {
    /// Which of the provider's calls is asked.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case chat
        case completions
        case embeddings
        /// Has no body.
        case models

        var api: APIKind {
            switch self {
            case .chat: .chat
            case .completions: .completions
            case .embeddings: .embeddings
            case .models: .models
            }
        }
    }

    /// Whether an answer is one JSON body or a stream of events.
    public enum Form: String, CaseIterable, Hashable, Sendable {
        case body
        case stream

        init(_ form: SamovarCore.Form) { self = form == .stream ? .stream : .body }
        var core: SamovarCore.Form { self == .stream ? .stream : .body }
    }

    /// How a request was answered. The raw values are those of the sidecar's metrics.
    public enum ServeResult: String, CaseIterable, Hashable, Sendable {
        /// From the sidecar's memory.
        case l1Hit = "l1_hit"
        /// From the cache behind it.
        case l2Hit = "l2_hit"
        /// From a call that another caller had begun.
        case coalesced
        /// From a call made for this request.
        case miss
        /// Expired, and all there is while the upstream is busy or down, or as the caller allowed.
        case stale
        /// From a lighter model, or a fixed text.
        case fallback
        /// From a call shared with nobody.
        case bypass

        init(_ result: SamovarCore.ServeResult) {
            switch result {
            case .l1Hit: self = .l1Hit
            case .l2Hit: self = .l2Hit
            case .coalesced: self = .coalesced
            case .miss: self = .miss
            case .stale: self = .stale
            case .fallback: self = .fallback
            // No answer is an error.
            case .bypass, .error: self = .bypass
            }
        }
    }

    /// A text that must never be seen: it describes itself as `***` wherever it is printed by accident.
    public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
        CustomReflectable
    {
        let revealed: String

        public init(_ text: String) { revealed = text }

        public var description: String { "***" }
        public var debugDescription: String { description }
        public var customMirror: Mirror { Mirror(self, children: []) }
    }
}
