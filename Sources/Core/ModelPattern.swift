/// A model's name, where `*` stands for any run of characters. Names compare by their UTF-8 bytes.
public struct ModelPattern: Hashable, Sendable {
    public let text: String
    /// What stands between the stars; one piece is a name without any.
    private let pieces: [[UInt8]]

    public init(_ text: String) {
        self.text = text
        pieces = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
    }

    /// O(model × pieces), no allocation.
    func matches(_ model: Span<UInt8>) -> Bool {
        let last = pieces.count - 1
        guard last > 0 else { return model.count == pieces[0].count && pieces[0].stands(at: 0, in: model) }
        let end = model.count - pieces[last].count
        guard pieces[0].count <= end, pieces[0].stands(at: 0, in: model), pieces[last].stands(at: end, in: model)
        else { return false }
        var start = pieces[0].count
        // The leftmost place for each middle piece leaves most room for the next.
        for piece in pieces[1..<last] {
            guard let place = piece.firstPlace(in: model, from: start, to: end) else { return false }
            start = place + piece.count
        }
        return true
    }
}

extension [UInt8] {
    fileprivate func stands(at place: Int, in text: Span<UInt8>) -> Bool {
        for index in indices where text[place + index] != self[index] { return false }
        return true
    }

    fileprivate func firstPlace(in text: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        var place = start
        while place + count <= end {
            if stands(at: place, in: text) { return place }
            place += 1
        }
        return nil
    }
}
