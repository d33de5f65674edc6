/// A binary heap out of whose middle can be taken: the least by `Rank` first, each under an identity of its own.
///
/// `insert`, `remove` and `update` are O(log n), `first` is O(1). Equal ranks come out in no particular order, so a rank
/// that is to be repeatable holds the identity's number as its last word.
struct IndexedHeap<Identity: Hashable & Sendable, Rank: Comparable & Sendable>: Sendable {
    private var entries: [(identity: Identity, rank: Rank)] = []
    private var places: [Identity: Int] = [:]

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }
    var first: (identity: Identity, rank: Rank)? { entries.first }

    func rank(of identity: Identity) -> Rank? { places[identity].map { entries[$0].rank } }

    /// - Precondition: it is not in the heap.
    mutating func insert(_ identity: Identity, _ rank: Rank) {
        precondition(places[identity] == nil, "an identity stands in a heap once")
        entries.append((identity, rank))
        places[identity] = entries.count - 1
        rise(from: entries.count - 1)
    }

    /// Returns its rank; nil where it is not there.
    @discardableResult
    mutating func remove(_ identity: Identity) -> Rank? {
        guard let place = places.removeValue(forKey: identity) else { return nil }
        let rank = entries[place].rank
        let last = entries.removeLast()
        if place < entries.count {
            entries[place] = last
            places[last.identity] = place
            settle(place)
        }
        return rank
    }

    /// Gives it another rank, where it is there.
    mutating func update(_ identity: Identity, _ rank: Rank) {
        guard let place = places[identity] else { return }
        entries[place].rank = rank
        settle(place)
    }

    private mutating func settle(_ place: Int) {
        rise(from: place)
        sink(from: place)
    }

    private mutating func rise(from start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard entries[place].rank < entries[parent].rank else { return }
            swap(place, parent)
            place = parent
        }
    }

    private mutating func sink(from start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < entries.count {
                if entries[child].rank < entries[least].rank { least = child }
            }
            guard least != place else { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ left: Int, _ right: Int) {
        entries.swapAt(left, right)
        places[entries[left].identity] = left
        places[entries[right].identity] = right
    }
}
