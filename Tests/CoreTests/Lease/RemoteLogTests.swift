import SamovarCore
import Testing

extension RemoteLog.ReadAction {
    fileprivate var word: String {
        switch self {
        case .deliver(let chunks, let began): "\(began == nil ? "" : "begins, ")\(chunks.count) chunks"
        case .complete(_, let isStored, let began):
            "\(began == nil ? "" : "begins, ")complete\(isStored ? ", stored" : "")"
        case .short(let isStored): "short\(isStored ? ", stored" : "")"
        case .failed(let failure, _): failure.word
        case .gap: "gap"
        }
    }
}

@Suite("Another pod's attempt, as it is read")
struct RemoteLogTests {
    @Test("is whole only with as many chunks as its end counts")
    func counts() {
        var log = RemoteLog()
        let words = [
            log.read(.chunks(first: 0, Scene.stream, [Scene.chunk("a"), Scene.chunk("b")])),
            log.read(.chunks(first: 2, Scene.stream, [Scene.chunk("c")])),
            log.read(.end(count: 4, Scene.stream, usage: nil, isStored: true)),
            log.read(.end(count: 3, Scene.stream, usage: nil, isStored: false)),
        ].map(\.word)

        #expect(words == ["begins, 2 chunks", "1 chunks", "short, stored", "complete"])
    }

    @Test("is of no use after a gap, a repetition or a change of form, whatever follows")
    func gaps() {
        for entry in [
            PublishedEntry.chunks(first: 2, Scene.stream, [Scene.chunk("c")]),
            .chunks(first: 0, Scene.stream, [Scene.chunk("a")]),
            .chunks(first: 1, PublishedForm(.body, usageAsked: false), [Scene.chunk("b")]),
        ] {
            var log = RemoteLog()
            _ = log.read(.chunks(first: 0, Scene.stream, [Scene.chunk("a")]))
            let words = [
                log.read(entry), log.read(.chunks(first: 1, Scene.stream, [Scene.chunk("b")])),
                log.read(.end(count: 1, Scene.stream, usage: nil, isStored: true)),
                log.read(.failed(.cut, isRetryable: true)),
            ].map(\.word)

            #expect(words == ["gap", "gap", "short, stored", "cut"])
        }
    }

    @Test("may be whole without a chunk")
    func empty() {
        var log = RemoteLog()
        let word = log.read(.end(count: 0, Scene.stream, usage: nil, isStored: false)).word

        #expect(word == "begins, complete")
    }
}
