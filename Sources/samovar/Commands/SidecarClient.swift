import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SamovarCore
import SamovarWire

/// Asks a running sidecar over HTTP, on behalf of the commands.
struct SidecarClient: Sendable {
    private let base: String
    private let authorization: Secret?

    /// - Parameter server: `127.0.0.1:7600` or `unix:/run/samovar/http.sock`.
    init(server: String, authorization: Secret? = nil) {
        if server.hasPrefix("unix:") {
            let path = server.dropFirst(5).utf8.map { byte in
                let isPlain =
                    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                return isPlain ? String(UnicodeScalar(byte)) : "%" + [byte].hexadecimal.uppercased()
            }.joined()
            base = "http+unix://\(path)"
        } else {
            base = server.hasPrefix("http://") ? server : "http://\(server)"
        }
        self.authorization = authorization
    }

    /// Credentials come from the environment, never from the command line, where others could read them.
    static func authorization(env name: String?) throws -> Secret? {
        guard let name else { return nil }
        guard let key = Environment.all[name], !key.isEmpty else {
            throw CommandFailure("the environment variable \(name) is not set")
        }
        return Secret("Bearer \(key)")
    }

    func get(_ path: String) async throws -> (status: Int, body: [UInt8]) {
        let response = try await send(HTTPClientRequest(url: base + path))
        return (Int(response.status.code), Array((try await response.body.collect(upTo: 16 << 20)).readableBytesView))
    }

    /// Sends JSON to the admin port.
    func post(_ path: String, body: [UInt8]) async throws -> (status: Int, body: [UInt8]) {
        var request = HTTPClientRequest(url: base + path)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        if let authorization { request.headers.add(name: "authorization", value: authorization.revealed) }
        request.body = .bytes(ByteBuffer(bytes: body))
        let response = try await send(request)
        return (Int(response.status.code), Array((try await response.body.collect(upTo: 1 << 20)).readableBytesView))
    }

    /// Asks with an OpenAI body; the reply is read by the caller.
    /// - Parameter urgency: how urgent it is; nil: as the route's requests are.
    func ask(_ kind: APIKind, body: [UInt8], urgency: RequestClass? = nil) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: base + "/v1" + kind.upstreamPath)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.headers.add(name: "x-samovar-show", value: "tenant")
        if let urgency { request.headers.add(name: "samovar-class", value: urgency.rawValue) }
        if let authorization { request.headers.add(name: "authorization", value: authorization.revealed) }
        request.body = .bytes(ByteBuffer(bytes: body))
        return try await send(request)
    }

    /// For the life of the command. A sidecar that is not there is not waited for.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(2)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    private func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        do {
            return try await Self.client.execute(request, timeout: .minutes(30))
        } catch {
            throw CommandFailure("no sidecar answers at \(base); is `samovar serve` running there?")
        }
    }
}

extension HTTPClientResponse {
    /// The short word for how it was answered, in lower case.
    var result: String { headers.first(name: "x-cache")?.lowercased() ?? "unknown" }

    /// `error.message` of an OpenAI-shaped error, or the status.
    func errorMessage() async -> String {
        guard let body = try? await body.collect(upTo: 1 << 20) else { return "status \(status.code)" }
        return ErrorText.message(in: Array(body.readableBytesView)) ?? "status \(status.code)"
    }
}
