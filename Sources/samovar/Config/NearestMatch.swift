/// Which of the known words a misspelt one was probably meant to be.
enum NearestMatch {
    /// The nearest, if it is near enough to be worth saying: at most a third of the letters are wrong, or two. If none
    /// is, the one that the word begins.
    static func of(_ word: String, among known: [String]) -> String? {
        guard word.utf8.count <= wordSizeMax else { return nil }
        return nearest(word, known) ?? known.first { word.utf8.count > 2 && $0.hasPrefix(word.lowercased()) }
    }

    private static func nearest(_ word: String, _ known: [String]) -> String? {
        let lowered = Array(word.lowercased().utf8)
        let near = known.map { (word: $0, distance: distance(lowered, Array($0.lowercased().utf8))) }
        guard let nearest = near.min(by: { $0.distance < $1.distance }) else { return nil }
        return nearest.distance <= max(2, nearest.word.utf8.count / 3) && nearest.distance < lowered.count
            ? nearest.word : nil
    }

    /// `; did you mean 'ttl'?`, or nothing.
    static func hint(_ word: String, among known: [String]) -> String {
        of(word, among: known).map { "; did you mean '\($0)'?" } ?? ""
    }

    private static let wordSizeMax = 128

    /// How many letters have to be put in, left out, exchanged or swapped with their neighbour (Damerau, 1964, in
    /// the restricted form). O(n × m).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                let exchanged = last[j] + (left[i] == right[j] ? 0 : 1)
                var least = min(exchanged, last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    least = min(least, beforeLast[j - 1] + 1)
                }
                row.append(least)
            }
            (beforeLast, last) = (last, row)
        }
        return last[right.count]
    }
}
