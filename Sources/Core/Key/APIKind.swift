/// Which of the provider's calls a request is for.
public enum APIKind: String, CaseIterable, Sendable {
    case chat
    case completions
    case embeddings
    case models
}
