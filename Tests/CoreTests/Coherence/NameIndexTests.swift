import SamovarCore
import Testing

@Suite("Which entry a name means")
struct NameIndexTests {
    private static func key(_ number: UInt8) -> RequestKey { RequestKey(bytes: Array(repeating: number, count: 32)) }

    @Test("an entry is found by its name, with the value that it is a copy of, until it is gone")
    func comesAndGoes() {
        var index = NameIndex()
        index.insert(1, Self.key(1), ValueIdentity(bits: 10))
        index.insert(2, Self.key(2), nil)
        let found = (index[1]?.key, index[1]?.identity, index[2]?.identity, index[3])
        index.remove(1)
        #expect(found.0 == Self.key(1) && found.1 == ValueIdentity(bits: 10) && found.2 == nil && found.3 == nil)
        #expect(index[1] == nil && index.count == 1)
    }

    @Test("what is written is noted for an entry that is there, and makes none")
    func identified() {
        var index = NameIndex()
        index.insert(1, Self.key(1), nil)
        index.identify(1, as: ValueIdentity(bits: 7))
        index.identify(2, as: ValueIdentity(bits: 8))
        #expect(index[1]?.identity == ValueIdentity(bits: 7))
        #expect(index.count == 1)
    }
}
