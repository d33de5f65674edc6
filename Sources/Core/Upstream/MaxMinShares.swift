/// Divides one budget among those who want of it, max-min fair: nobody has more than he wants while another has less than
/// he wants and less than the first.
///
///     floor      everybody has a little, so that whoever begins need not wait for the others
///     demand     water-filling: the small demands are met, the large ones share what is left alike
///     spare      what nobody wants is everybody's, in equal parts
///
/// Progressive filling after Bertsekas, Gallager, "Data networks" (2nd ed., 1992), ch. 6.5.2.
enum MaxMinShares {
    /// Floors together take this at most.
    static let floorSum = 0.05
    static let floorMax = 0.02

    /// The parts, in the order of the demands; their sum is 1. O(n log n).
    ///
    /// - Parameters:
    ///   - demands: not negative.
    ///   - capacity: what there is, in the demands' unit. Nil, where that is not known: just enough, so that the parts
    ///     are in proportion to the demands.
    static func divide(_ demands: [Double], capacity: Double?) -> [Double] {
        guard !demands.isEmpty else { return [] }
        let count = Double(demands.count)
        let demands = demands.map { $0.isFinite ? max(0, $0) : 0 }
        let capacity = capacity ?? demands.reduce(0, +)
        let floor = min(floorMax, floorSum / count)
        let wishes = demands.map { capacity > 0 ? max(0, min($0 / capacity, 1) - floor) : 0 }
        var parts = [Double](repeating: floor, count: demands.count)
        var left = 1 - floor * count
        var places = count
        for index in wishes.indices.sorted(by: { (wishes[$0], $0) < (wishes[$1], $1) }) {
            let given = min(wishes[index], left / places)
            parts[index] += given
            left -= given
            places -= 1
        }
        // Rounding must not make it more than there is.
        let spare = max(0, left) / count
        return parts.map { min(1, ($0 + spare) * (1 - 1e-12)) }
    }
}
