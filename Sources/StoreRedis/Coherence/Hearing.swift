import SamovarCore
import SamovarEngine

/// Turns what Redis says of changes into what the engine understands.
final class Hearing: Sendable {
    private struct State {
        var receive: (@Sendable (StoreNews) -> Void)?
        /// How the connection stands: for who comes to listen later.
        var standing = NewsStanding.lost
        /// By the first 64 bits of what their generation is called. Bounded by who asks: see `GenerationBook`.
        var scopes: [UInt64: Scope] = [:]
    }

    /// Where Redis tells a client of RESP2 that names have changed.
    static let channel = Array("__redis__:invalidate".utf8)
    /// More than anybody asks for at once.
    private static let scopeCountMax = 2 * GenerationBook.scopeCountMax

    private let keyName: KeyName
    private let pod: PodID
    private let state = Lock(State())

    init(keyName: KeyName, pod: PodID) {
        self.keyName = keyName
        self.pod = pod
    }

    func listen(_ receive: @escaping @Sendable (StoreNews) -> Void) {
        let standing = state.withLock { state in
            state.receive = receive
            return state.standing
        }
        if standing != .lost { receive(standing.news) }
    }

    func tell(_ news: StoreNews) {
        let receive = state.withLock { $0.receive }
        receive?(news)
    }

    func stands(_ standing: NewsStanding) {
        state.withLock { $0.standing = standing }
        tell(standing.news)
    }

    /// Changes of these scopes' generations are told from here on.
    func watch(_ scopes: [Scope]) {
        let names = scopes.map(keyName.word)
        state.withLock { state in
            if state.scopes.count + names.count > Self.scopeCountMax { state.scopes.removeAll(keepingCapacity: true) }
            for (name, scope) in zip(names, scopes) { state.scopes[name] = scope }
        }
    }

    /// A message has come. What is nothing of ours is passed over. O(its size).
    func heard(_ payload: RESPValue, on channel: [UInt8]) {
        if channel == keyName.purges {
            guard case .bulk(let bytes) = payload, let purge = PurgeText.parse(bytes), purge.pod != pod else { return }
            return tell(.purged(purge.name))
        }
        switch payload {
        case .null: tell(.allChanged)
        case .array(let elements): changed(elements)
        default: break
        }
    }

    private func changed(_ elements: [RESPValue]) {
        var answers: [UInt64] = []
        for case .bulk(let name) in elements {
            if let word = Self.word(of: name, behind: keyName.answers) {
                answers.append(word)
            } else if let word = Self.word(of: name, behind: keyName.generations),
                let scope = state.withLock({ $0.scopes[word] })
            {
                tell(.generation(scope))
            }
        }
        if !answers.isEmpty { tell(.changed(answers)) }
    }

    /// The first 64 bits of `<prefix>{<64 hex digits>}`; nil where a name is not spelled so.
    static func word(of name: [UInt8], behind prefix: [UInt8]) -> UInt64? {
        guard name.count == prefix.count + 66, name.starts(with: prefix), name[prefix.count] == UInt8(ascii: "{"),
            name.last == UInt8(ascii: "}")
        else { return nil }
        let digits = name.dropFirst(prefix.count + 1).dropLast()
        let words = (0..<4).map { LeaseText.word(digits.dropFirst($0 * 16).prefix(16)) }
        return words.contains(nil) ? nil : words[0]
    }
}

/// Whether the connection hears of changes.
enum NewsStanding: Hashable, Sendable {
    case tracking
    case lost
    /// It is not allowed to.
    case refused

    fileprivate var news: StoreNews {
        switch self {
        case .tracking: .connected
        case .lost: .lost
        case .refused: .refused
        }
    }
}
