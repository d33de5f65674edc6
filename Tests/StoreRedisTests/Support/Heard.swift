import SamovarCore
import SamovarEngine

/// What a follower heard, in order, for a test to wait for more.
final class Heard: Sendable {
    enum Word: Hashable, Sendable {
        case entry(PublishedEntry)
        case sight(LeaseSight?)
        case unreadable
        case unavailable
    }

    private let words: AsyncStream<Word>
    private let speak: AsyncStream<Word>.Continuation

    init() {
        // Bounded by what the test publishes.
        (words, speak) = AsyncStream.makeStream(of: Word.self, bufferingPolicy: .unbounded)
    }

    func receive(_ news: FollowNews) {
        switch news {
        case .entries(let entries): for entry in entries { speak.yield(.entry(entry)) }
        case .sight(let sight): speak.yield(.sight(sight))
        case .unreadable: speak.yield(.unreadable)
        case .unavailable: speak.yield(.unavailable)
        }
    }

    /// All that is heard up to the first word for which this is so, or until the test is cancelled.
    func words(until isLast: (Word) -> Bool) async -> [Word] {
        var heard: [Word] = []
        for await word in words {
            heard.append(word)
            if isLast(word) { break }
        }
        return heard
    }

    /// The entries up to the one that ends a stream.
    func entries() async -> [PublishedEntry] {
        let words = await words {
            switch $0 {
            case .entry(.end), .entry(.failed), .unreadable, .unavailable: true
            case .entry(.chunks), .sight: false
            }
        }
        return words.compactMap { if case .entry(let entry) = $0 { entry } else { nil } }
    }
}

/// Something that happens, once or more often, for a test to wait for.
final class Bell: Sendable {
    private let rings: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let count = Lock(0)

    init() {
        (rings, continuation) = AsyncStream.makeStream(of: Void.self)
    }

    var ringCount: Int { count.withLock { $0 } }

    func ring() {
        count.withLock { $0 += 1 }
        continuation.yield()
    }

    /// Returns when it has rung once more, or the test is cancelled.
    func rung() async {
        for await _ in rings { return }
    }
}
