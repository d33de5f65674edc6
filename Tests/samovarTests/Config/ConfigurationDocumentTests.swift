import Testing

@testable import samovar

struct ConfigurationDocumentTests {
    @Test(
        "what is not YAML is refused with its line",
        arguments: [
            ("listen:\n  http: [", "samovar.yaml:3: is not YAML"),
            ("listen: {}\n\tcache: {}", "samovar.yaml:2: is not YAML"),
            ("cache: {}\nlog: \"x", "samovar.yaml:2: is not YAML"),
            ("a: b: c", "samovar.yaml:1: is not YAML"),
            ("log: {level: \u{0}}", "samovar.yaml:1: is not YAML"),
            ("# é\r\n\r\nlog: \u{7}", "samovar.yaml:3: is not YAML"),
            ("- a", "samovar.yaml:1: expected a mapping; found a list"),
            ("text", "samovar.yaml:1: expected a mapping; found a single value"),
        ])
    func broken(yaml: String, complaint: String) {
        let complaints = ConfigurationText(yaml).complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.hasPrefix(complaint) == true, "\(complaints)")
    }

    @Test("bytes that are not UTF-8 are refused")
    func notUTF8() {
        let refused = #expect(throws: ConfigurationErrors.self) {
            try ConfigurationReader().read([0x6C, 0xFF, 0x3A])
        }
        #expect(refused?.description == "samovar.yaml: is not UTF-8")
    }

    @Test("a key that appears twice is refused with its line, at every level")
    func duplicates() {
        #expect(
            ConfigurationText("log: {}\ncache:\n  ttl: 1h\n  ttl: 2h").complaints == [
                "samovar.yaml:3: ttl: this key appears more than once in its mapping"
            ])
        #expect(ConfigurationText("log: {}\n\"log\": {}").complaints.count == 1)
        #expect(ConfigurationText("models: {m: {}, m: {}}").complaints.count == 1)
    }

    @Test("a second document is refused with its line")
    func documents() {
        #expect(
            ConfigurationText("log: {}\n---\ncache: {}\n").complaints == [
                "samovar.yaml:3: a second document begins here; only one is read"
            ])
    }

    @Test("1 MiB is read, one byte more is not")
    func size() {
        let comment = "#" + String(repeating: "x", count: (1 << 20) - 1)
        #expect(ConfigurationText(comment).complaints == [])
        #expect(ConfigurationText(comment + "x").complaints == ["samovar.yaml: is larger than 1MiB"])
    }

    @Test(
        "an anchor is refused before anything is expanded, wherever YAML could see one",
        arguments: [
            "a: &a x", "&a b: c", "- &a x", "{a: &a x}", "[x,&a y]", "[&a y]", "{\"k\":&a y}", "{'k',&a y}", "? &a x",
            "\u{FEFF}&a x", "a:\u{85}&a x", "a: !!str &a x", "\t&a x", "# \"\na: &a x", "a: \"x\" \nb: &_ x", "&-: x",
            "&a",
        ])
    func anchor(yaml: String) {
        let complaints = ConfigurationText(yaml).complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.contains("anchors are not read") == true, "\(complaints)")
    }

    @Test("an anchor is named with its line")
    func anchorLine() {
        #expect(
            ConfigurationText("log: {}\n\ncache: &all {ttl: 1h}").complaints == [
                "samovar.yaml:3: '&' before a word is an anchor to YAML, and anchors are not read, not even in quotes"
            ])
    }

    @Test("an ampersand that begins no word, or stands inside one, is text")
    func ampersand() throws {
        let configuration = try ConfigurationText("# R&D, you & me\nredis: {key_prefix: \"a&b & c\"}").read()
        #expect(configuration.redis.keyPrefix == "a&b & c")
    }

    @Test("aliases to aliases are refused at once, as values and as keys", .timeLimit(.minutes(1)))
    func bomb() {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            yaml += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(ConfigurationText(yaml).complaints.count == 1)
        #expect(ConfigurationText(yaml + "? *a30\n: x\n").complaints.count == 1)
    }

    @Test("an alias of nothing says that a star needs quotes")
    func alias() {
        #expect(
            ConfigurationText("routes:\n  - name: a\n    match: {model: *chat}").complaints == [
                "samovar.yaml:3: '*' before a word is an alias to YAML, and aliases are not read; "
                    + "put the text in quotes"
            ])
        #expect(ConfigurationText("routes: [{name: a, match: {model: \"*chat\"}}]").complaints == [])
    }

    @Test(
        "tags are refused with their line",
        arguments: ["log: {}\ncache: !!map {}", "log: {}\na: !x y", "log:\n  level: ! info"])
    func tags(yaml: String) {
        #expect(
            ConfigurationText(yaml).complaints == ["samovar.yaml:2: '!' begins a tag to YAML, and tags are not read"])
    }

    @Test("deep nesting is refused, not followed", arguments: [17, 900, 100_000])
    func deep(depth: Int) {
        #expect(
            ConfigurationText(String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).complaints
                .count == 1)
        #expect(ConfigurationText(String(repeating: "- ", count: depth)).complaints.count == 1)
        #expect(ConfigurationText(String(repeating: "? ", count: depth)).complaints.count == 1)
        #expect(ConfigurationText(String(repeating: "{a: ", count: depth)).complaints.count == 1)
    }

    @Test("a key that is no word is refused", arguments: ["log: {}\n? [a]\n: b", "log: {}\n? {a: b}\n: c"])
    func complexKeys(yaml: String) {
        #expect(ConfigurationText(yaml).complaints == ["samovar.yaml:2: a key is a single word"])
    }

    @Test("a merge key is a key like others, and nobody knows it")
    func merge() {
        #expect(
            ConfigurationText("cache:\n  <<: {ttl: 1h}").complaints.first?.hasPrefix(
                "samovar.yaml:2: cache.<<: unknown key") == true)
    }

    @Test("no damage to a good file brings the reader down", arguments: 0..<4)
    func damaged(seed: UInt64) throws {
        var random = Splitmix(state: seed)
        let good = Array(try ConfigurationExample.text.utf8)
        let pieces = [
            "&", "*", "!", "|", ">", "%", "@", "\"", "'", "[", "}", ": ", "- ", "? ", "\n", "\t", "#", "---\n", "\u{0}",
            "é",
        ]
        for _ in 0..<100 {
            var bytes = good
            for _ in 0..<3 {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(contentsOf: pieces.randomElement(using: &random)!.utf8, at: at)
                default: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1..<40, using: &random)))
                }
            }
            // Read or refused: either will do.
            _ = try? ConfigurationReader().read(bytes)
        }
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): the same numbers for a seed.
private struct Splitmix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
