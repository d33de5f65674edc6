import Glibc
import Testing

extension RealProcesses {
    /// What an upstream can do wrong.
    @Suite("upstreams that do wrong")
    struct UpstreamsThatDoWrong {
        private func nobodysURL() throws -> String { "http://\(try ListeningSocket().address)/v1" }

        @Test("an upstream that refuses connections is 502", arguments: [false, true])
        func refuses(stream: Bool) throws {
            let sidecar = try Sidecar(upstream: try nobodysURL())

            let reply = try sidecar.ask(Chat("anybody?", stream: stream))

            #expect(reply.status == 502)
            #expect(reply.errorCode == "upstream_unreachable")
        }

        @Test("an upstream that never takes the connection is given up at connect_timeout")
        func neverConnects() throws {
            // A queue of none, and filled: the kernel drops who comes now.
            let full = try ListeningSocket(backlog: 0)
            let waiting = try (0..<2).map { _ in
                let descriptor = try full.address.makeSocket(blocking: false)
                _ = full.address.with { connect(descriptor, $0, $1) }
                return descriptor
            }
            defer { for descriptor in waiting { close(descriptor) } }
            let sidecar = try Sidecar(upstream: "http://\(full.address)/v1") {
                $0.upstreams[0]["connect_timeout"] = "300ms"
            }

            let reply = try sidecar.ask(Chat("anybody?"))

            #expect(reply.status == 502)
            #expect(reply.errorCode == "upstream_unreachable")
        }

        @Test("an upstream that takes the request and is silent is 504")
        func blackHole() throws {
            let provider = try Provider()
            let proxy = try FaultProxy(to: provider.address, .blackHole)
            let sidecar = try Sidecar(upstream: proxy.url) {
                $0.routes = [["name": "r", "deadline": "{first_token: 300ms}"]]
            }

            let reply = try sidecar.ask(Chat("anybody?"))

            #expect(reply.status == 504)
            #expect(reply.errorCode == "upstream_timeout")
        }

        @Test(
            "what comes under 200 and is no answer is 502, and not kept",
            arguments: [
                (#"{"error":{"message":"overloaded","type":"server_error","code":null}}"#, "application/json"),
                (#"{"error":"overloaded"}"#, "application/json"),
                ("<html><body>Gateway</body></html>", "text/html"), ("<html></html>", "application/json"),
                (#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","con"#, "application/json"),
                ("[]", "application/json"), ("null", "application/json"), ("", "application/json"),
                ("{}", "application/json"),
                (#"{"choices":"none"}"#, "application/json"), ("\u{0}\u{1}", "application/octet-stream"),
            ])
        func noAnswer(body: String, type: String) throws {
            let scene = try Scene("--body-override", body, "--content-type", type)

            let replies = try [scene.ask(Chat("well?")), scene.ask(Chat("well?"))]

            #expect(replies.map(\.status) == [502, 502])
            #expect(replies.allSatisfy { $0.json["error"].exists })
            #expect(try scene.calls == 2)
        }

        private static let token = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"

        @Test(
            "what comes as a stream under 200 and is no answer is an error, and not kept",
            arguments: [
                "data: {\"error\":{\"message\":\"overloaded\"}}\n\n",
                "event: error\ndata: {\"message\":\"overloaded\"}\n\n",
                token + "data: {\"error\":{\"message\":\"x\"}}\n\ndata: [DONE]\n\n",
                token + "event: error\ndata: {}\n\ndata: [DONE]\n\n",
                token + "error: overloaded\n\ndata: [DONE]\n\n",
                token, "data: nonsense\n\n", "",
                ": hi\n\n",
                "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"error\"}]}\n\ndata: [DONE]\n\n",
                "<html>Gateway</html>", "data: {\"choices\":[",
            ])
        func noStream(body: String) throws {
            let scene = try Scene("--body-override", body, "--content-type", "text/event-stream")

            let replies = try [scene.ask(Chat("well?", stream: true)), scene.ask(Chat("well?", stream: true))]

            #expect(replies.allSatisfy { $0.status == 502 || $0.events.last?.json["error"].exists == true })
            #expect(replies.allSatisfy { !$0.text.contains("[DONE]") })
            #expect(try scene.calls == 2)
        }

        @Test("a JSON answer to a caller who asked for a stream is told as one")
        func bodyForStream() throws {
            let chat = Chat("as you like", stream: true)
            let text = Verifier().text(for: chat)
            let body =
                #"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":"#
                + #"{"role":"assistant","content":"\#(text)"},"finish_reason":"stop"}],"#
                + #""usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#
            let scene = try Scene("--body-override", body)

            let replies = try [scene.ask(chat), scene.ask(chat)]

            #expect(replies.compactMap { Verifier().complaint($0, to: chat) } == [])
        }

        @Test("a compressed answer that swells is refused, and not kept", arguments: [false, true])
        func bomb(stream: Bool) throws {
            let scene = try Scene("--gzip-bomb")

            let replies = try [scene.ask(Chat("boom", stream: stream)), scene.ask(Chat("boom", stream: stream))]

            #expect(replies.map(\.status) == [502, 502])
            #expect(replies.allSatisfy { $0.body.count < 10_000 })
            #expect(try scene.calls == 2)
        }

        @Test("a redirect is not followed, nor is the credential shown to its target", arguments: [false, true])
        func redirect(stream: Bool) throws {
            let other = try Provider()
            let scene = try Scene("--redirect-to", "http://\(other.address)/v1/chat/completions")

            let reply = try scene.ask(Chat("go there", stream: stream), "Authorization: Bearer alice")

            #expect(reply.status == 502)
            #expect(reply["location"] == nil)
            #expect(try other.counts().calls == 0)
        }

        @Test("a body cut in the middle is 502, and not kept")
        func cutBody() throws {
            let scene = try Scene("--cut-after-tokens", "1")

            let replies = try [scene.ask(Chat("half")), scene.ask(Chat("half"))]

            #expect(replies.map(\.status) == [502, 502])
            #expect(try scene.calls == 2)
        }

        private static let canSpeakTLS = Nginx.isInstalled && Certificate.isPossible

        private func tls(_ certificate: Certificate, _ provider: Provider, host: String, trusted: Bool) throws
            -> HTTPReply
        {
            let nginx = try Nginx(before: provider.address, certificate: certificate)
            let port = nginx.address.description.split(separator: ":")[1]
            let sidecar = try Sidecar(upstream: "https://\(host):\(port)/v1") {
                if trusted { $0.upstreams[0]["ca_file"] = certificate.path }
            }
            return try sidecar.ask(Chat("in private"))
        }

        @Test(
            "an upstream whose certificate nobody vouches for is not asked",
            .enabled(if: canSpeakTLS, "needs nginx and openssl"))
        func selfSigned() throws {
            let provider = try Provider()

            let reply = try tls(Certificate(), provider, host: "localhost", trusted: false)

            #expect(reply.status == 502)
            #expect(reply.errorCode == "upstream_unreachable")
            #expect(try provider.counts().calls == 0)
        }

        @Test(
            "an upstream whose certificate ca_file vouches for is asked",
            .enabled(if: canSpeakTLS, "needs nginx and openssl"))
        func trusted() throws {
            let provider = try Provider()

            let reply = try tls(Certificate(), provider, host: "localhost", trusted: true)

            #expect(Verifier().complaint(reply, to: Chat("in private")) == nil)
        }

        @Test("a certificate for another name is not taken", .enabled(if: canSpeakTLS, "needs nginx and openssl"))
        func wrongName() throws {
            let provider = try Provider()

            let reply = try tls(Certificate(), provider, host: "127.0.0.1", trusted: true)

            #expect(reply.status == 502)
            #expect(try provider.counts().calls == 0)
        }
    }
}
