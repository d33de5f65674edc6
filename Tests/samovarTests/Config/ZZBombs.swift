import Testing
@testable import samovar
@Test func bombs() {
    func rep(_ s: String, _ n: Int = 1 << 20) -> String { String(repeating: s, count: n / s.utf8.count) }
    let cases: [String: String] = [
        "[a,": "[" + rep("a,", 1_000_000) + "]", "{a:b} unique": "{" + (0..<90_000).map { "k\($0): 1" }.joined(separator: ", ") + "}",
        "block keys": (0..<90_000).map { "k\($0): 1\n" }.joined(), "? deep": rep("? "), "{?": rep("{? "), "a: a: ": rep("a: "),
        "\"": "\"" + rep("x"), "flow one-line keys": "{" + rep("a: {b: c}, ", 1_000_000) + "}",
        "deep key hash": rep("{", 900) + rep("x", 1_000_000) + rep(": 1}", 3600),
        "anchors no": rep(" & "), "unknown*100k in routes": "routes:\n" + rep("  - {name: a}\n", 1_000_000),
        "upstream list": "upstreams:\n" + (0..<20000).map { "  - {name: a\($0), url: http://a}\n" }.joined(),
        "plain": "log: " + rep("x "), "newlines": rep("\n"), "ignore": "passthrough:\n" + (0..<60000).map { "- /a\($0)\n" }.joined(),
        "dups": rep("a: b\n"),
    ]
    for (name, yaml) in cases.sorted(by: { $0.key < $1.key }) {
        let clock = ContinuousClock(); let start = clock.now
        let count = ConfigurationText(String(yaml.utf8.prefix(1 << 20))!).complaints.count
        print("BOMB", name, count, start.duration(to: clock.now))
    }
}
