import Testing

extension RealProcesses {
    /// Nobody behind the sidecar ever sees another request than it did.
    @Suite("hostile requests")
    final class HostileRequests: Sendable {
        /// One scene for all: that it serves on after each of them is part of the promise.
        private static let scene = Result { try Scene { $0.limits = ["header_timeout": "2s"] } }

        /// Apart from the hostile ones, whose calls may still be under way.
        private static let pathScene = Result { try Scene { $0.limits = ["header_timeout": "2s"] } }

        @Test(
            "a request that could be read in two ways is refused, and its connection closed",
            arguments: HostileRequest.all)
        func refused(request: HostileRequest) throws {
            let scene = try Self.scene.get()
            try scene.provider.forget()
            let connection = try scene.sidecar.connect()

            connection.send(request.bytes)
            let isClosed = connection.closes(within: .seconds(5))
            let reply = try connection.reply(within: .milliseconds(1))

            #expect((400..<500).contains(reply.status) || reply.status == 501 || reply.status == 505)
            #expect(isClosed)
            #expect(!String(decoding: connection.received, as: UTF8.self).contains("HTTP/1.1 200"))
            #expect(try scene.calls == 0)
        }

        @Test(
            "what nginx refuses is not accepted", .enabled(if: Nginx.isInstalled, "nginx is not installed"),
            arguments: HostileRequest.all + HostileRequest.debatable)
        func differential(request: HostileRequest) throws {
            let scene = try Self.scene.get()
            let nginx = try Self.nginx.get()

            let theirs = Self.status(of: request, at: nginx.address)
            let ours = Self.status(of: request, at: scene.sidecar.http)

            print("differential: \(request.name): nginx \(theirs), samovar \(ours)")
            #expect(!(ours == 200 && [400, 414, 431, 494, 501, 505].contains(theirs)))
        }

        private static let nginx = Result { try Nginx(before: try scene.get().provider.address) }

        /// Of the first reply; 0 where there was none.
        private static func status(of request: HostileRequest, at address: SocketAddress) -> Int {
            guard let connection = try? RawConnection(to: address) else { return 0 }
            connection.send(request.bytes)
            return (try? connection.reply(within: .seconds(1)))?.status ?? 0
        }

        @Test(
            "a path that only looks like a known one is unknown",
            arguments: [
                "/v1/chat/completions;x.css", "/v1/chat%2fcompletions", "/v1/chat%2Fcompletions",
                "/V1/chat/completions",
                "/v1/chat/completions/", "/v1/chat/completions?x=1", "/v1/chat/completions#x",
                "/v1/chat/completions.css",
                "/./v1/chat/completions", "/v1/../v1/chat/completions", "/v1/chat/completions%00",
                "/v1/chat/Completions",
                "/v1/chat//completions", "/v1/chat/completions%20", "/v1/%63hat/completions", "\\v1\\chat\\completions",
                "/v1/chat/completions\\", "/chat/completions/", "/", "/v1",
            ])
        func paths(path: String) throws {
            let scene = try Self.pathScene.get()
            try scene.provider.forget()

            let reply = try scene.sidecar.exchange(RawRequest.post(path, body: HostileRequest.body))

            #expect((400..<500).contains(reply.status))
            #expect(reply["x-cache"] != "HIT")
            #expect(try scene.calls == 0)
        }
    }
}
