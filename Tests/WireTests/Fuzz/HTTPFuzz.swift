import SamovarCore
import SamovarWire
import TestSupport

private let routes = RouteTable(routes: [Route()])

/// The bytes of an HTTP connection: the same requests and the same refusal however they are cut, no more kept than the
/// limits allow, and of each body one key.
public func fuzzHTTP(_ bytes: [UInt8]) throws(BrokenPromise) {
    let (bodySizeMax, headerSizeMax) = (1_500, 600)
    func understand(_ pieces: [ArraySlice<UInt8>]) throws(BrokenPromise) -> Understood {
        let understood = Understood(
            pieces,
            by: Understood.decoder(bodySizeMax: bodySizeMax, headerSizeMax: headerSizeMax, headerCountMax: 12))
        try promise(understood.saidContinue <= understood.asked.count + 1, "a caller is told twice to go on")
        // A first line, headers and a body, or half a chunk's line.
        try promise(understood.carriedMax <= 16 << 10, "more is kept than a request may have")
        for asked in understood.asked {
            try promise(asked.body.count <= bodySizeMax, "a body is larger than body_size_max")
        }
        return understood
    }
    let whole = try understand([bytes[...]])
    for split in Splits.of(bytes) {
        let understood = try understand(split)
        try promise(understood.asked == whole.asked, "cut otherwise the bytes are other requests")
        try promise(
            understood.refusal == whole.refusal,
            "cut otherwise the bytes are refused with \(understood.refusal ?? 0), not \(whole.refusal ?? 0)")
    }
    for asked in whole.asked { try judge(asked) }
}

private func judge(_ asked: Understood.Asked) throws(BrokenPromise) {
    let head = asked.head
    for text in [head.method, head.target] + head.headers.flatMap({ [$0.name, $0.value] }) {
        try promise(text.utf8.allSatisfy { $0 != 0 && $0 != 0x0A && $0 != 0x0D }, "a line end or NUL is within a head")
    }
    guard case .api(let kind) = Endpoint(method: head.method, target: head.target) else { return }
    let request = try? Request(Request.Arrival(kind: kind, body: asked.body), routes: routes)
    guard let request, let body = request.body, request.controls.namespace.isEmpty else { return }
    let same = try? Request(Request.Arrival(kind: kind, body: body.canonicalText()), routes: routes)
    try promise(same?.key == request.key, "the canonical text has another key")
}
