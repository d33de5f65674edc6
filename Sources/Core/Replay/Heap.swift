/// A binary heap in an array (Williams, 1964): the first of its elements is at hand. Insertion and removal O(log n).
struct Heap<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private let isBefore: @Sendable (Element, Element) -> Bool

    /// - Parameter isBefore: a strict order.
    init(_ isBefore: @escaping @Sendable (Element, Element) -> Bool) {
        self.isBefore = isBefore
    }

    var first: Element? { elements.first }
    var count: Int { elements.count }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var place = elements.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard isBefore(elements[place], elements[parent]) else { return }
            elements.swapAt(place, parent)
            place = parent
        }
    }

    /// - Precondition: it is not empty.
    mutating func removeFirst() {
        elements.swapAt(0, elements.count - 1)
        elements.removeLast()
        var place = 0
        while true {
            let left = 2 * place + 1
            guard left < elements.count else { return }
            let right = left + 1
            let child = right < elements.count && isBefore(elements[right], elements[left]) ? right : left
            guard isBefore(elements[child], elements[place]) else { return }
            elements.swapAt(child, place)
            place = child
        }
    }
}
