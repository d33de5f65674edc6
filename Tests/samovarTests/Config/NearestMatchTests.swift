import Testing

@testable import samovar

struct NearestMatchTests {
    private let known = ["ttl", "stale_ttl", "l1_size_max", "listen"]

    @Test(
        "a misspelt word finds the one that was meant",
        arguments: [
            ("ttll", "ttl"), ("tl", "ttl"), ("TTL", "ttl"), ("lsiten", "listen"), ("stale-ttl", "stale_ttl"),
            ("l1_sizemax", "l1_size_max"), ("l1_", "l1_size_max"),
        ])
    func near(word: String, meant: String) {
        #expect(NearestMatch.of(word, among: known) == meant)
    }

    @Test(
        "a word that is near to none finds none",
        arguments: ["", "x", "zz", "frobnicate", "maximum", String(repeating: "ttl", count: 100)])
    func far(word: String) {
        #expect(NearestMatch.of(word, among: known) == nil)
    }
}
