import SamovarCore
import SamovarWire

/// HTTP/1.1 on connections that are kept alive; several in flight on one are pipelined, and answered in order.
struct HTTPDialect: Dialect {
    let greeting: [UInt8] = []
    /// Without and with `stream`.
    private let requests: [RequestBytes]

    init(_ bodies: BenchBodies, host: String, authorization: Secret?) {
        func request(_ kind: APIKind, _ body: [UInt8]) -> [UInt8] {
            var head = "POST /v1\(kind.upstreamPath) HTTP/1.1\r\nHost: \(host)\r\nContent-Type: application/json\r\n"
            if let authorization { head += "Authorization: \(authorization.revealed)\r\n" }
            return Array("\(head)Content-Length: \(body.count)\r\n\r\n".utf8) + body
        }
        switch bodies {
        case .generated(let body):
            requests = [false, true].map { isStream in
                let (body, numberAt) = body.template(isStream: isStream)
                let text = request(.chat, body)
                return RequestBytes(text, numberAt: text.count - body.count + numberAt)
            }
        case .own(let bodies):
            let texts = RequestBytes(bodies.map { request($0.kind, $0.bytes) })
            requests = [texts, texts]
        }
    }

    func makeReader(slotCount: Int) -> HTTPReplies { HTTPReplies(slotCount: slotCount) }

    func append(_ request: RequestDraw.Drawn, id: UInt64, withBody: Bool, to output: inout [UInt8]) {
        _ = requests[request.isStream ? 1 : 0].append(request.key, to: &output)
    }

    func appendCancel(id: UInt64, to output: inout [UInt8]) -> Bool { false }
}
