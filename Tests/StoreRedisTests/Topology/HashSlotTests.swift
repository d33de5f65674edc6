import Testing

@testable import SamovarStoreRedis

@Suite("Hash slot")
struct HashSlotTests {
    @Test("the checksum is CRC16 XMODEM: the specification's own vector")
    func checksum() {
        #expect(HashSlot.checksum(Array("123456789".utf8)[...]) == 0x31C3)
        #expect(HashSlot.checksum([]) == 0)
    }

    @Test(
        "names have the slots that Redis gives them",
        arguments: [
            ("foo", 12_182), ("bar", 5_061), ("hello", 866), ("somekey", 11_058), ("123456789", 12_739), ("", 0),
        ])
    func known(name: String, number: Int) {
        #expect(HashSlot(of: Array(name.utf8)).number == number)
    }

    @Test(
        "of a name with a hash tag only the tag counts, the specification's examples among them",
        arguments: [
            ("{user1000}.following", "user1000"), ("{user1000}.followers", "user1000"),
            ("foo{{bar}}zap", "{bar"), ("foo{bar}{zap}", "bar"), ("samovar:c:{ab}", "ab"), ("samovar:l:{ab}:7", "ab"),
        ])
    func tag(name: String, tag: String) {
        #expect(HashSlot(of: Array(name.utf8)) == HashSlot(of: Array(tag.utf8)))
    }

    @Test("an empty tag, or one that does not end, is none", arguments: ["foo{}{bar}", "foo{bar", "foo}bar{", "{}"])
    func noTag(name: String) {
        #expect(HashSlot(of: Array(name.utf8)).number == HashSlot.checksum(Array(name.utf8)[...]) % 16_384)
    }

    @Test("there are 16384 slots")
    func bounds() {
        #expect(HashSlot(0) != nil && HashSlot(16_383) != nil)
        #expect(HashSlot(-1) == nil && HashSlot(16_384) == nil)
    }
}
