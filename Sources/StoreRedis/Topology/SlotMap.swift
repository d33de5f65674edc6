/// Which primary of a cluster keeps which slot.
///
/// Whole, or not at all: a map with holes, overlaps or nodes without an address is refused, and the one before it is
/// kept. O(1) to look up; about 33 kB.
struct SlotMap: Hashable, Sendable {
    /// No reply with more is read.
    static let rangeMax = 4_096
    /// No cluster with more primaries is used: each has connections of its own.
    static let primaryMax = 128

    /// In the order in which their first slots come.
    private(set) var primaries: [Endpoint.Address] = []
    /// For each slot the index of its primary.
    private var owners: [UInt8]

    /// Reads the reply to `CLUSTER SLOTS`: `[[first, last, [host, port, …], replicas…]…]`.
    ///
    /// - Parameter host: of the node that was asked: one that does not know its own address leaves it out.
    init(reading reply: RESPValue, askedAt host: String) throws(SlotMapRefusal) {
        let ranges =
            switch reply {
            case .array(let ranges): ranges
            case .error(let error): throw .refused(error)
            default: throw .malformed
            }
        guard ranges.count <= Self.rangeMax else { throw .tooManyRanges }
        owners = Array(repeating: .max, count: HashSlot.count)
        var missingCount = HashSlot.count
        for range in try ranges.map({ range throws(SlotMapRefusal) in try Self.range(range, host) })
            .sorted(by: { $0.slots.lowerBound < $1.slots.lowerBound })
        {
            guard let index = index(of: range.primary) else { throw .tooManyPrimaries }
            for slot in range.slots {
                guard owners[slot] == .max else { throw .overlapping }
                owners[slot] = index
            }
            missingCount -= range.slots.count
        }
        guard missingCount == 0 else { throw .partial(missingCount: missingCount) }
    }

    private static func range(
        _ range: RESPValue, _ host: String
    ) throws(SlotMapRefusal) -> (slots: ClosedRange<Int>, primary: Endpoint.Address) {
        guard case .array(let parts) = range, parts.count >= 3,
            case .integer(let first) = parts[0], case .integer(let last) = parts[1], first <= last,
            let first = HashSlot(Int(first)), let last = HashSlot(Int(last)),
            case .array(let node) = parts[2], node.count >= 2, case .integer(let port) = node[1]
        else { throw .malformed }
        let named: String
        switch node[0] {
        case .null: named = ""
        case .bulk(let bytes): named = String(decoding: bytes, as: UTF8.self)
        default: throw .malformed
        }
        guard let primary = Endpoint.Address(named: named, port: Int(port), by: host) else { throw .nowhere }
        return (Int(first.number)...Int(last.number), primary)
    }

    subscript(slot: HashSlot) -> Endpoint.Address { primaries[Int(owners[Int(slot.number)])] }

    /// A node has said that another one keeps this slot now. Of no effect where that would be one primary too many.
    mutating func move(_ slot: HashSlot, to primary: Endpoint.Address) {
        guard let index = index(of: primary) else { return }
        owners[Int(slot.number)] = index
    }

    /// Its index; it is taken in where it is new. Nil where there is no room.
    private mutating func index(of primary: Endpoint.Address) -> UInt8? {
        if let index = primaries.firstIndex(of: primary) { return UInt8(index) }
        guard primaries.count < Self.primaryMax else { return nil }
        primaries.append(primary)
        return UInt8(primaries.count - 1)
    }
}

/// Why a slot map is not used.
enum SlotMapRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The node does not tell.
    case refused(ServerError)
    case malformed
    /// A node that does not know where it, or another, can be reached.
    case nowhere
    case overlapping
    case partial(missingCount: Int)
    case tooManyRanges
    case tooManyPrimaries

    /// For a log line.
    var description: String {
        switch self {
        case .refused(let error) where error.code == "ERR": "CLUSTER SLOTS was refused: it is no node of a cluster"
        case .refused(let error): "CLUSTER SLOTS was refused (\(error.explanation))"
        case .malformed: "the slot map cannot be read"
        case .nowhere: "the slot map holds a node without an address"
        case .overlapping: "the slot map gives a slot to two nodes"
        case .partial(let missingCount): "the slot map lacks \(missingCount) of \(HashSlot.count) slots"
        case .tooManyRanges: "the slot map has more than \(SlotMap.rangeMax) ranges"
        case .tooManyPrimaries: "the cluster has more than \(SlotMap.primaryMax) primaries"
        }
    }
}

extension Endpoint.Address {
    /// An address as servers name each other's.
    ///
    /// - Parameters:
    ///   - host: empty where it is that of the one who was asked; `?` where that is not known.
    ///   - asked: the host of the one who was asked.
    /// - Returns: nil where it is no address.
    init?(named host: String, port: Int, by asked: String) {
        let host = host.isEmpty ? asked : host
        guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), host != "?",
            (1...65_535).contains(port)
        else { return nil }
        self = .tcp(host: host, port: port)
    }
}
