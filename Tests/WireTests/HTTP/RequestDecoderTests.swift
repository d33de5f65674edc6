import SamovarCore
import SamovarWire
import Testing

private func understand(
    _ pieces: [[UInt8]], by decoder: consuming RequestDecoder = Understood.decoder()
) -> Understood {
    Understood(pieces.map { $0[...] }, by: decoder)
}

private func understand(_ text: String) -> Understood { understand([Array(text.utf8)]) }

private let host = "Host: localhost\r\n"

@Suite("A connection's requests")
struct RequestDecoderTests {
    @Test("are found whole and in order, with their bodies")
    func pipelined() {
        let first = "POST /v1/chat/completions HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nabcde"
        let second = "GET /v1/models HTTP/1.1\r\n\(host)\r\n"
        let third =
            "POST /embeddings HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n2;a=b\r\nuv\r\n0\r\n\r\n"
        let understood = understand(first + second + third + first)
        #expect(
            understood.requests == [
                "POST /v1/chat/completions abcde", "GET /v1/models ", "POST /embeddings xyzuv",
                "POST /v1/chat/completions abcde",
            ])
        #expect(understood.refusal == nil)
    }

    @Test("are the same at every split of their bytes, in two and one by one")
    func splits() {
        let text =
            "\r\nPOST /v1/chat/completions HTTP/1.1\r\n\(host)Content-Length: 3\r\n\r\nabc"
            + "POST /completions HTTP/1.1\r\nhost:localhost \r\ntransfer-encoding: Chunked\r\nX-A: \u{e9} b\r\n\r\n"
            + "a\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\nGET /models HTTP/1.0\r\n\(host)\r\n"
        let bytes = Array(text.utf8)
        let whole = understand([bytes])
        #expect(whole.requests.count == 3)
        for cut in 1..<bytes.count {
            #expect(understand([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "cut at \(cut)")
        }
        #expect(understand(bytes.map { [$0] }) == whole)
    }

    @Test("are refused where their end is in doubt", arguments: SmugglingCorpus.refused)
    func refused(sample: SmugglingCorpus.Sample) {
        let understood = understand([Array(sample.text.utf8)])
        #expect(understood.requests.isEmpty, "\(sample.name)")
        #expect(understood.refusal == sample.status, "\(sample.name)")
    }

    @Test("are refused at every split as they are whole", arguments: SmugglingCorpus.refused)
    func refusedSplit(sample: SmugglingCorpus.Sample) {
        let understood = understand(Array(sample.text.utf8).map { [$0] })
        #expect(understood.requests.isEmpty, "\(sample.name)")
        #expect(understood.refusal == sample.status, "\(sample.name)")
    }

    @Test("are taken where they are merely unusual", arguments: SmugglingCorpus.taken)
    func taken(sample: SmugglingCorpus.Sample) {
        let understood = understand([Array(sample.text.utf8)])
        #expect(understood.refusal == nil, "\(sample.name)")
        #expect(understood.requests.count == 1, "\(sample.name)")
    }

    @Test("end with the first refusal")
    func refusalIsLast() {
        let bad = "POST /x HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 2\r\n\r\n"
        let good = "GET /models HTTP/1.1\r\n\(host)\r\n"
        #expect(understand(good + bad + good).requests.count == 1)
    }

    @Test("are bounded in their heads, however they come")
    func headLimits() {
        let long = "GET /models HTTP/1.1\r\n\(host)X: " + String(repeating: "a", count: 5_000)
        #expect(understand(long + "\r\n\r\n").refusal == 431)
        #expect(understand(long).refusal == 431)
        let many = "GET /models HTTP/1.1\r\n\(host)" + String(repeating: "A: b\r\n", count: 20) + "\r\n"
        #expect(understand(many).refusal == 431)
    }

    @Test("are bounded in their bodies, told or not")
    func bodyLimits() {
        let head = "POST /completions HTTP/1.1\r\n\(host)"
        let told = Array((head + "Content-Length: 11\r\n\r\n").utf8)
        #expect(understand([told], by: Understood.decoder(bodySizeMax: 10)).refusal == 413)
        let chunked = Array((head + "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n").utf8)
        #expect(understand([chunked], by: Understood.decoder(bodySizeMax: 10)).refusal == 413)
    }

    @Test("are refused when they are nearly all framing")
    func padding() {
        let head = "POST /completions HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n"
        let padded = head + "1;" + String(repeating: "x", count: 70_000)
        #expect(understand(padded).refusal == 400)
        let trailers = head + "0\r\n" + String(repeating: "A: b\r\n", count: 1_000)
        #expect(understand(trailers).refusal == 400)
    }

    @Test("are waited for with '100 Continue' only where the caller waits itself")
    func expectations() {
        let head = "POST /completions HTTP/1.1\r\n\(host)Expect: 100-continue\r\n"
        for framing in ["Content-Length: 3\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
            let body = framing.hasPrefix("C") ? "abc" : "3\r\nabc\r\n0\r\n\r\n"
            let waiting = understand([Array((head + framing).utf8), Array(body.utf8)])
            #expect(waiting.saidContinue == 1)
            #expect(waiting.requests == ["POST /completions abc"])
            #expect(understand([Array((head + framing + body).utf8)]).saidContinue == 0)
        }
        let other = "POST /completions HTTP/1.1\r\n\(host)Expect: 200-ok\r\nContent-Length: 3\r\n\r\n"
        #expect(understand(other).refusal == 417)
    }

    @Test("never trap, whatever the bytes")
    func random() {
        var generator = SystemRandomNumberGenerator()
        let seeds =
            SmugglingCorpus.refused.map { Array($0.text.utf8) } + SmugglingCorpus.taken.map { Array($0.text.utf8) }
        for _ in 0..<20_000 {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
            for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert([0x0D, 0x0A, 0x3A, 0x20, 0x30].randomElement(using: &generator) ?? 0, at: place)
                }
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            #expect(understand([bytes]) == understand([Array(bytes[..<cut]), Array(bytes[cut...])]))
        }
    }
}
