import Testing

@testable import SamovarWire

@Suite("Foreign protocols")
struct ForeignProtocolTests {
    private static let vectors = Vector.all(in: "foreign.hex")

    private func event(_ bytes: [UInt8]) -> FrameDecoder.Event? {
        var decoder = FrameDecoder(readingFrom: .client)
        var offset = 0
        return decoder.next(in: bytes, at: &offset)
    }

    @Test("are recognised by what they say first, and only HTTP is answered", arguments: vectors)
    func recognised(vector: Vector) {
        let event = event(vector.bytes)
        guard case .foreign(let foreign) = event else {
            Issue.record("not recognised: \(String(describing: event))")
            return
        }
        #expect(foreign.rawValue == vector.word("kind"))
        #expect("\(foreign.answer != nil)" == vector.values["answer"])
    }

    @Test("are recognised at the first byte that is not ours, and nothing of them is read after that")
    func firstByte() {
        for count in 0..<Magic.bytes.count {
            let right = Array(Magic.bytes[..<count])
            #expect(event(right) == nil, "\(count) bytes of the magic")
            for wrong in 0...UInt8.max where wrong != Magic.bytes[count] {
                guard case .foreign = event(right + [wrong]) else {
                    Issue.record("\(count) bytes of the magic and \(wrong)")
                    continue
                }
            }
        }
        var decoder = FrameDecoder(readingFrom: .client)
        var offset = 0
        _ = decoder.next(in: [UInt8]("GET / HTTP/1.1\r\n".utf8), at: &offset)
        offset = 0
        let later = decoder.next(in: Vector.greeting, at: &offset)
        #expect(later == nil)
    }

    @Test("get the answer that the document shows")
    func answer() {
        let answer = String(decoding: ForeignProtocol.http.answer ?? [], as: UTF8.self)
        let shown = answer.replacing("\r\n", with: "\n")
        #expect(Vector.document.contains("```\n\(shown)```"))
        #expect(answer.split(separator: "\r\n\r\n").last?.utf8.count == 75)
    }
}
