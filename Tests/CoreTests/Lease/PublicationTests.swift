import SamovarCore
import Testing

@Suite("What is published")
struct PublicationTests {
    private func settings(_ change: (inout LeaseSettings) -> Void = { _ in }) -> LeaseSettings {
        var settings = LeaseSettings()
        change(&settings)
        return settings
    }

    @Test("is nothing until somebody follows, then all so far at once")
    func lazy() {
        var publication = Publication(settings())
        publication.append(Scene.chunk("a"), Scene.stream, at: Scene.at(0))
        let quiet = publication.take(at: Scene.at(1_000)).map(\.word)
        let never = publication.next
        publication.open(at: Scene.at(1_000))
        let prefix = publication.take(at: Scene.at(1_000)).map(\.word)

        #expect(quiet == [])
        #expect(never == .never)
        #expect(prefix == ["0:a"])
    }

    @Test("is collected for 20 ms, one call at a time")
    func batches() {
        var publication = Publication(settings())
        publication.open(at: Scene.at(0))
        publication.append(Scene.chunk("a"), Scene.stream, at: Scene.at(10))
        publication.append(Scene.chunk("b"), Scene.stream, at: Scene.at(25))
        let early = publication.take(at: Scene.at(29)).map(\.word)
        let batch = publication.take(at: Scene.at(30)).map(\.word)
        publication.append(Scene.chunk("c"), Scene.stream, at: Scene.at(31))
        let whileBusy = publication.take(at: Scene.at(90)).map(\.word)
        publication.published(true, at: Scene.at(91))
        let next = publication.take(at: Scene.at(91)).map(\.word)

        #expect(early == [])
        #expect(batch == ["0:a,b"])
        #expect(whileBusy == [])
        #expect(next == ["2:c"])
    }

    @Test("comes in entries of bounded size, whatever the size of a single chunk")
    func pieces() {
        var publication = Publication(settings { $0.publishEntrySizeMax = 4 })
        for text in ["aa", "bb", "c", "dddddd", "e"] {
            publication.append(Scene.chunk(text), Scene.stream, at: Scene.at(0))
        }
        publication.open(at: Scene.at(1))
        let entries = publication.take(at: Scene.at(1)).map(\.word)

        #expect(entries == ["0:aa,bb", "2:c", "3:dddddd", "4:e"])
    }

    @Test("is given up, and said so, when more waits than may, but what was there before is no backlog")
    func overflow() {
        var publication = Publication(settings { $0.publishQueueSizeMax = 4 })
        publication.append(Scene.chunk("0123456789"), Scene.stream, at: Scene.at(0))
        publication.open(at: Scene.at(1))
        let prefix = publication.take(at: Scene.at(1)).map(\.word)
        publication.append(Scene.chunk("abcd"), Scene.stream, at: Scene.at(2))
        let isOpen = publication.isOpen
        publication.append(Scene.chunk("e"), Scene.stream, at: Scene.at(3))
        let whileBusy = publication.take(at: Scene.at(30)).map(\.word)
        publication.published(true, at: Scene.at(31))
        let told = publication.take(at: Scene.at(31)).map(\.word)
        publication.published(true, at: Scene.at(32))
        publication.append(Scene.chunk("f"), Scene.stream, at: Scene.at(33))
        let nothing = publication.take(at: Scene.at(99), isLast: true).map(\.word)

        #expect(prefix == ["0:0123456789"])
        #expect(isOpen)
        #expect(whileBusy == [])
        #expect(told == ["limited publish_queue_size_max, try again"])
        #expect(nothing == [])
        #expect(!publication.isOpen)
        #expect(publication.count == 4)
    }

    @Test("is given up where the store may not have taken it: nothing is sent twice")
    func untaken() {
        var publication = Publication(settings())
        publication.append(Scene.chunk("a"), Scene.stream, at: Scene.at(0))
        publication.open(at: Scene.at(0))
        _ = publication.take(at: Scene.at(0))
        publication.published(false, at: Scene.at(25))
        publication.append(Scene.chunk("b"), Scene.stream, at: Scene.at(26))
        let nothing = publication.take(at: Scene.at(99), isLast: true).map(\.word)

        #expect(nothing == [])
        #expect(!publication.isOpen)
        #expect(publication.next == .never)
    }

    @Test("leaves room again once it was taken")
    func drains() {
        var publication = Publication(settings { $0.publishQueueSizeMax = 4 })
        publication.open(at: Scene.at(0))
        for round in 0..<5 {
            publication.append(Scene.chunk("abcd"), Scene.stream, at: Scene.at(100 * round))
            _ = publication.take(at: Scene.at(100 * round + 20))
            publication.published(true, at: Scene.at(100 * round + 21))
        }

        #expect(publication.isOpen)
        #expect(publication.count == 5)
    }
}
