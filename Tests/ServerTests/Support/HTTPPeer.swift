import SamovarCore
import SamovarWire
import Testing

@testable import SamovarServer

/// A caller of one HTTP connection. No socket, no clock.
final class HTTPPeer {
    let service: ScriptedService
    let connection: Driven<HTTPConnection<ScriptedService>>

    init(_ service: ScriptedService = ScriptedService(), limits: HTTPConnection<ScriptedService>.Limits? = nil) {
        self.service = service
        let limits = limits ?? .init(writeTimeout: .seconds(30), keepAliveInterval: .seconds(10))
        connection = Self.connection(service, limits: limits)
    }

    static func connection<Service: HTTPService>(
        _ service: Service,
        limits: HTTPConnection<Service>.Limits = .init(writeTimeout: .seconds(30), keepAliveInterval: .seconds(10))
    ) -> Driven<HTTPConnection<Service>> {
        Driven { now in
            HTTPConnection(
                service: service, limits: limits,
                decoder: RequestDecoder(rules: RequestRules(limits: .init(), names: .init()), limits: .init()),
                pace: ReadPace(limits: .init(), at: now), requestIDs: RequestIDs(seed: 1))
        }
    }

    static func asking(
        _ model: String, stream: Bool = false, version: String = "1.1", headers: [String] = []
    ) -> [UInt8] {
        let body = Sample.question(model, stream: stream)
        let head = ["POST /v1/chat/completions HTTP/\(version)", "Host: localhost"] + headers
        return Array("\(head.joined(separator: "\r\n"))\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
    }

    /// Asks; returns the number under which it was handed over, if it was.
    @discardableResult
    func ask(_ model: String, stream: Bool = false, version: String = "1.1", headers: [String] = []) -> UInt64? {
        let before = connection.handovers.count
        connection.receive(Self.asking(model, stream: stream, version: version, headers: headers))
        return connection.handovers.count > before ? connection.handovers.last?.number : nil
    }

    func receive(_ text: String) { connection.receive(Array(text.utf8)) }

    var text: String { String(decoding: connection.sent, as: UTF8.self) }

    /// The replies that were sent, cut by their own framing: status and body. The last may be cut off (`isWhole`).
    var replies: [(status: Int, head: String, body: [UInt8], isWhole: Bool)] {
        var replies: [(Int, String, [UInt8], Bool)] = []
        var rest = connection.sent[...]
        while let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) {
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            rest = rest[end.upperBound...]
            let status = Int(head.dropFirst(9).prefix(3)) ?? 0
            let lines = head.lowercased().split(separator: "\r\n")
            if status == 100 { continue }
            if let length = lines.first(where: { $0.hasPrefix("content-length:") }) {
                let count = Int(length.dropFirst(15).filter(\.isNumber)) ?? 0
                replies.append((status, head, Array(rest.prefix(count)), rest.count >= count))
                rest = rest.dropFirst(count)
            } else if lines.contains("transfer-encoding: chunked") {
                var body: [UInt8] = []
                var isWhole = false
                while let line = rest.firstRange(of: [0x0D, 0x0A]) {
                    let count = Int(String(decoding: rest[..<line.lowerBound], as: UTF8.self), radix: 16) ?? 0
                    body += rest[line.upperBound...].prefix(count)
                    rest = rest[line.upperBound...].dropFirst(count + 2)
                    if count == 0 {
                        isWhole = true
                        break
                    }
                }
                replies.append((status, head, body, isWhole))
            } else {
                replies.append((status, head, Array(rest), connection.isClosed || connection.standing.ending != .open))
                rest = []
            }
        }
        return replies
    }

    var wantsRead: Bool { connection.wantsRead }
    var statuses: [Int] { replies.map(\.status) }
    var isEnding: Bool { connection.isClosed || connection.standing.ending != .open }
}

extension ArraySlice<UInt8> {
    fileprivate func firstRange(of other: [UInt8]) -> Range<Int>? {
        guard count >= other.count else { return nil }
        return (startIndex...(endIndex - other.count)).first { self[$0..<$0 + other.count].elementsEqual(other) }
            .map { $0..<$0 + other.count }
    }
}
