/// What the command line says.
struct Options {
    enum Verb: String {
        case fill, once, run
    }

    enum Peer: String {
        case memcached, redis
        /// ASK_DIGEST: 32 bytes of SHA-256 in place of the body.
        case samovar
        /// ASK: the whole body.
        case samovarBody = "samovar-body"
        case http
    }

    let verb: Verb
    var peer = Peer.memcached
    var address = Address.tcp(port: 0)
    var keys = 10_000
    /// Bytes of a value.
    var size = 100
    var connections = 16
    /// Requests of one connection that are sent with one send, and answered before the next.
    var inFlight = 1
    var seconds = 1.0
    /// Before that, uncounted.
    var warmUpSeconds = 0.1
    var exponent = 0.99
    /// Of HTTP: a line for each key, its body and what its answer contains, with a tab between.
    var requests = ""
    var method = "POST"
    /// Of HTTP; `{}` stands for the key's number.
    var path = "/v1/chat/completions"

    static let usage = """
        usage: peer-load fill|once|run --peer memcached|redis|samovar|samovar-body|http --address PORT|unix:PATH
                 [--keys N] [--size BYTES] [--connections N] [--in-flight N] [--seconds S] [--warm-up S] [--zipf S]
                 [--requests FILE] [--method GET|POST] [--path PATH]
        """

    init(_ arguments: [String]) throws(Fault) {
        guard let verb = arguments.first.flatMap(Verb.init), arguments.count % 2 == 1 else { throw Fault(Self.usage) }
        self.verb = verb
        for index in stride(from: 1, to: arguments.count, by: 2) {
            try set(arguments[index], arguments[index + 1])
        }
    }

    private mutating func set(_ name: String, _ value: String) throws(Fault) {
        switch name {
        case "--peer": peer = try Self.read(Peer(rawValue: value), name, value)
        case "--address": address = try Self.read(Address(value), name, value)
        case "--keys": keys = try Self.read(value, name, 1...10_000_000)
        case "--size": size = try Self.read(value, name, Entries.sizeMin...1_048_576)
        case "--connections": connections = try Self.read(value, name, 1...1_000)
        case "--in-flight": inFlight = try Self.read(value, name, 1...Batch.countMax)
        case "--seconds": seconds = try Self.read(Double(value), name, value)
        case "--warm-up": warmUpSeconds = try Self.read(Double(value), name, value)
        case "--zipf": exponent = try Self.read(Double(value), name, value)
        case "--requests": requests = value
        case "--method": method = value
        case "--path": path = value
        default: throw Fault("there is no \(name)\n\(Self.usage)")
        }
    }

    private static func read(_ text: String, _ name: String, _ range: ClosedRange<Int>) throws(Fault) -> Int {
        guard let value = Int(text), range.contains(value) else {
            throw Fault("\(name) takes \(range.lowerBound) to \(range.upperBound), not \(text)")
        }
        return value
    }

    private static func read<Value>(_ value: Value?, _ name: String, _ text: String) throws(Fault) -> Value {
        guard let value else { throw Fault("\(name) does not take \(text)") }
        return value
    }
}
