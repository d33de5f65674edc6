import NIOCore
import Testing

@testable import provider

@Suite("zeros as gzip")
struct GzipBombTests {
    @Test("775 zeros are 26 bytes: a zero, three copies of 258, their CRC and their count")
    func vector() {
        // Python's gzip.decompress makes bytes(775) of them.
        #expect(
            Array(GzipBomb.zeros(775).readableBytesView) == [
                0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF,
                0x63, 0x18, 0x05, 0xA3, 0x60, 0x14, 0x00, 0x00,
                0x1B, 0x4E, 0x16, 0xE7, 0x07, 0x03, 0x00, 0x00,
            ])
    }

    @Test("ten MiB go into less than 70 KB")
    func small() {
        #expect(GzipBomb.body.readableBytes < 70_000)
    }
}
