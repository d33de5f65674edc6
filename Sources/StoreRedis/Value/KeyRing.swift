import SamovarCore

/// The keys that hide what is kept in Redis: one for names, and one or more for values, each with a number.
///
///     # openssl rand -hex 32
///     names 6f1c…                 what everything is called; another one makes all that is there unfindable
///     2     0b77…                 the first numbered one seals what is written
///     1     94d0…                 all of them open what is read
///
/// To change keys: add the new one below on all pods, then put it first on all, then drop the old one after the longest
/// ttl and stale_ttl. Describes itself without what it holds.
public struct KeyRing: Sendable, CustomStringConvertible, CustomReflectable {
    let names: [UInt8]
    /// The number of the key that seals.
    let sealing: UInt32
    let keys: [UInt32: [UInt8]]

    static let keySize = 32
    /// More keys than anybody rotates at once.
    static let keysMax = 16
    /// A file that is larger is none of ours, in bytes.
    public static let textSizeMax = 16 << 10

    /// Reads what a key ring's file holds. Errors name the line and quote nothing of it.
    public init(parsing text: String) throws(KeyRingError) {
        guard text.utf8.count <= Self.textSizeMax else { throw KeyRingError("is larger than 16 KiB") }
        var names: [UInt8]?
        var sealing: UInt32?
        var keys: [UInt32: [UInt8]] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" })
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let place = "line \(index + 1)"
            guard words.count == 2 else { throw KeyRingError("\(place): expected a name and a key") }
            guard let key = Self.bytes(words[1]) else {
                throw KeyRingError(
                    "\(place): the key is not \(2 * Self.keySize) hex digits, as openssl rand -hex 32 prints")
            }
            if first == "names" {
                guard names == nil else { throw KeyRingError("\(place): names is there twice") }
                names = key
                continue
            }
            guard first.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(first) else {
                throw KeyRingError("\(place): a line begins with 'names' or with a number")
            }
            guard keys.updateValue(key, forKey: number) == nil else {
                throw KeyRingError("\(place): \(number) is there twice")
            }
            guard keys.count <= Self.keysMax else { throw KeyRingError("\(place): more than \(Self.keysMax) keys") }
            sealing = sealing ?? number
        }
        guard let names else { throw KeyRingError("has no line that begins with 'names'") }
        guard let sealing else { throw KeyRingError("has no line that begins with a number") }
        guard Set(keys.values + [names]).count == keys.count + 1 else { throw KeyRingError("holds the same key twice") }
        self.names = names
        self.sealing = sealing
        self.keys = keys
    }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        guard text.utf8.count == 2 * keySize else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text {
            guard character.isASCII, let digit = character.hexDigitValue.map(UInt8.init) else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return bytes
    }

    public var description: String { "KeyRing(\(keys.count) keys)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a key ring's file is none. Holds nothing of it.
public struct KeyRingError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
