/// What is to happen, in the order of its time; at the same time, in the order in which it was put down.
///
/// A binary heap: O(log n) to put down, O(log n) to take.
struct Agenda<Event> {
    private struct Item {
        let time: Int64
        let number: Int
        let event: Event

        func isBefore(_ other: Item) -> Bool { time < other.time || (time == other.time && number < other.number) }
    }

    private var items: [Item] = []
    private var nextNumber = 0

    mutating func add(_ event: Event, at time: Int64) {
        items.append(Item(time: time, number: nextNumber, event: event))
        nextNumber += 1
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child].isBefore(items[parent]) else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    mutating func take() -> (time: Int64, event: Event)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            sink()
        }
        return (first.time, first.event)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < items.count && items[child].isBefore(items[least]) {
                least = child
            }
            guard least != parent else { return }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
