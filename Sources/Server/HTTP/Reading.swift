import NIOHTTP1
import SamovarCore
import SamovarWire

extension RequestHead {
    init(_ head: HTTPRequestHead) {
        self.init(
            method: head.method.rawValue, target: head.uri,
            headers: head.headers.map { (name: $0.name, value: $0.value) },
            isHTTP11: head.version == .http1_1)
    }
}

extension KeyedHeaders {
    init(_ head: RequestHead) {
        self.init()
        for name in Self.names { self[name] = head.value(name) }
    }
}

extension Request.Arrival {
    init(kind: APIKind, head: RequestHead, body: [UInt8]) {
        self.init(kind: kind, body: kind == .models ? nil : body)
        headers = KeyedHeaders(head)
        authorization = head.value("authorization").map(Secret.init)
        controls = head.value("cache-control").map(Controls.init(cacheControl:)) ?? Controls()
        timeout = head.value("x-samovar-timeout").flatMap { Duration(spelled: $0) }
        requestClass = head.value("samovar-class").flatMap { RequestClass(rawValue: $0.lowercased()) }
        showsTenant = head.value("x-samovar-show") == "tenant"
        splitID = head.value("samovar-split-id") ?? ""
    }
}

extension FailedReply {
    /// What is wrong with a request that cannot be understood.
    init(_ error: RequestError) {
        switch error {
        case .body(let error):
            self.init(
                .invalidRequest,
                ErrorReply(status: 400, message: error.message, type: "invalid_request_error", code: "body"))
        case .noRoute:
            self.init(
                .noRoute,
                ErrorReply(
                    status: 404, message: "no route matches this path and model", type: "invalid_request_error",
                    code: "route"))
        }
    }
}

extension ErrorReply {
    /// A path that we do not know, or know with another method.
    init(unknown head: RequestHead) {
        if let method = Endpoint.allowedMethod(target: head.target) {
            self.init(
                status: 405, message: "this path takes \(method)", type: "invalid_request_error", code: "method")
        } else {
            self.init(status: 404, message: "unknown path", type: "invalid_request_error", code: "path")
        }
    }
}
