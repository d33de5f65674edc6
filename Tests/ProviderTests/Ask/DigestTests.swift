import Testing

@testable import provider

@Suite("the digest of a prompt")
struct DigestTests {
    @Test("it is the first 12 hex digits of SHA-256 over role, line end, text, line end")
    func known() {
        var transcript = Transcript()
        transcript.add(role: "user", text: "héllo")

        // printf 'user\nhéllo\n' | sha256sum
        #expect(transcript.digest.hex == "49bad45080fb")
        #expect(transcript.digest.firstByte == 0x49)
    }

    @Test("leading zeros are kept")
    func zeros() {
        #expect(Digest.hex(0xAB, digitCount: 12) == "0000000000ab")
    }

    @Test("prompt tokens are a quarter of the bytes, rounded up")
    func tokenCount() {
        var transcript = Transcript()
        transcript.add(role: "user", text: "héllo")

        #expect(transcript.tokenCount == 3)
    }

    @Test("noise is a function of seed and index, and lies between 0 and 1 as a unit")
    func noise() {
        let row = (0..<1_000).map { Noise.unit(seed: 7, index: $0) }

        #expect(row == (0..<1_000).map { Noise.unit(seed: 7, index: $0) })
        #expect(row.allSatisfy { (0..<1).contains($0) })
        #expect((450...550).contains(row.count { $0 < 0.5 }))
        #expect(Noise.draw(seed: 7, index: 0) != Noise.draw(seed: 8, index: 0))
    }
}
