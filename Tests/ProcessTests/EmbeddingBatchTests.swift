import Foundation
import Testing

extension SidecarSettings {
    /// Embeddings are asked for together, before an upstream that takes one call at once.
    mutating func batchesEmbeddings(_ batch: String = "{window: 10s}") {
        upstreams[0]["concurrency_max"] = "1"
        routes = [["name": "embeddings", "match": "{path: /v1/embeddings}", "batch": batch]]
    }
}

private func embed(_ text: String, members: String = "", headers: [String] = []) -> [UInt8] {
    RawRequest.post(
        "/v1/embeddings", body: #"{"model":"standin-embedding","input":\#(Chat.quoted(text))\#(members)}"#,
        headers: headers)
}

extension RealProcesses {
    @Suite("embeddings, several in one call")
    struct EmbeddingBatches {
        /// Somebody has the provider's only place while all the others come; then he leaves it to them.
        private func crowd(_ scene: Scene, _ requests: [[UInt8]]) throws -> [HTTPReply] {
            try scene.provider.control(["json_ms": "60000"])
            let ahead = try scene.sidecar.connect()
            ahead.send(embed("somebody"))
            #expect(try eventually { try scene.provider.counts().concurrent == 1 })
            try scene.provider.control(["json_ms": "0"])
            let crowd = try Crowd(requests, to: scene.sidecar.http)
            let isThere = crowd.run { _ in
                (try? scene.sidecar.metric("samovar_flights")) == requests.count + 1
            }
            #expect(isThere)
            ahead.close()
            return crowd.finish().compactMap { $0 }
        }

        @Test("callers with thirty texts are one call, and each has what the provider answers to it alone")
        func together() throws {
            let scene = try Scene { $0.batchesEmbeddings() }
            let texts = (0..<30).map { "text \($0)" }

            let replies = try crowd(scene, texts.map { embed($0) })
            let calls = try scene.calls
            let again = try scene.sidecar.exchange(embed("text 7"))

            #expect(replies.count == 30)
            #expect(calls == 2)
            for (reply, text) in zip(replies, texts) {
                let own = try scene.provider.exchange(embed(text))
                #expect(reply.status == 200)
                #expect(reply.withoutUsage == own.withoutUsage)
            }
            #expect(again["x-cache"] == "HIT")
            #expect(again.body == replies[7].body)
            #expect(try scene.sidecar.metric("samovar_embedding_batches_total{outcome=\"answered\"}") == 1)
            #expect(try scene.sidecar.metric("samovar_embedding_batch_inputs_sum") == 30)
            #expect(try scene.sidecar.metric("samovar_embedding_batch_inputs_bucket{le=\"16\"}") == 0)
            #expect(try scene.sidecar.metric("samovar_embedding_batch_inputs_bucket{le=\"32\"}") == 1)
        }

        @Test("what a call used is shared out whole, and what was saved by it is counted apart")
        func usage() throws {
            let scene = try Scene { $0.batchesEmbeddings() }
            let texts = ["short", String(repeating: "long ", count: 400)]

            let replies = try crowd(scene, texts.map { embed($0) })
            let own = try texts.map { try scene.provider.exchange(embed($0)) }.map { $0.promptTokens }
            _ = try scene.sidecar.exchange(embed(texts[1]))
            for _ in 0..<2 { _ = try scene.sidecar.exchange(embed("alone")) }
            let stats = try scene.sidecar.stats()

            #expect(replies.map(\.promptTokens).reduce(0, +) == own.reduce(0, +))
            #expect(replies[0].promptTokens < 10 && replies[1].promptTokens > 450)
            #expect(stats["saved_tokens"]["estimated"].int == replies[1].promptTokens)
            #expect((stats["saved_tokens"]["prompt"].int ?? 0) > 0)
            #expect((stats["saved_tokens"]["prompt"].int ?? 0) < 10)
            #expect(stats["embeddings"]["batches"]["answered"].int == 1)
            #expect(stats["embeddings"]["inputs"].int == 2)
        }

        @Test("vectors in base64 come back as the provider spelled them")
        func base64() throws {
            let scene = try Scene { $0.batchesEmbeddings() }
            let members = #","encoding_format":"base64","dimensions":3"#

            let replies = try crowd(scene, ["a", "b"].map { embed($0, members: members) })
            let own = try scene.provider.exchange(embed("b", members: members))

            #expect(replies.last?.withoutUsage == own.withoutUsage)
            #expect(own.json["data"][0]["embedding"].string != nil)
            #expect(try scene.calls == 3)
        }

        @Test("callers with credentials of their own never share a call")
        func tenants() throws {
            let scene = try Scene { $0.batchesEmbeddings() }
            let headers = ["Authorization: Bearer sk-one", "Authorization: Bearer sk-two"]

            let replies = try crowd(scene, (0..<8).map { embed("text \($0)", headers: [headers[$0 % 2]]) })

            #expect(replies.allSatisfy { $0.status == 200 })
            let counts = try scene.provider.counts()
            #expect(counts.calls == 3)
            for header in headers {
                let value = String(header.dropFirst("Authorization: ".count))
                #expect(counts.authorizations[Provider.mark(ofAuthorization: value)] == 1)
            }
        }

        @Test("a text that is refused by its place is refused alone, the others are answered")
        func refused() throws {
            let scene = try Scene("--refuse-input", "3") { $0.batchesEmbeddings() }

            let replies = try crowd(scene, (0..<4).map { embed("text \($0)") })

            #expect(replies.map(\.status).sorted() == [200, 200, 200, 400])
            let refused = replies.first { $0.status == 400 }
            #expect(refused?.json["error"]["param"].string == "input")
            #expect(refused?.text.contains("input[") == false)
            let counts = try scene.provider.counts()
            #expect(counts.byStatus == ["200": 2, "400": 1])
            #expect(try scene.sidecar.metric("samovar_embedding_batches_total{outcome=\"refused_input\"}") == 1)
        }

        @Test("vectors in another order are nobody's, and are not kept")
        func swapped() throws {
            let scene = try Scene("--swap-inputs") { $0.batchesEmbeddings() }

            let replies = try crowd(scene, (0..<3).map { embed("text \($0)") })
            let again = try scene.sidecar.exchange(embed("text 0"))

            #expect(replies.map(\.status) == [502, 502, 502])
            #expect(replies.first?.errorCode == "upstream_malformed")
            #expect(again["x-cache"] == "MISS")
            #expect(again.status == 200)
        }

        @Test("without the option each text is a call of its own")
        func off() throws {
            let scene = try Scene { $0.upstreams[0]["concurrency_max"] = "1" }

            let replies = try crowd(scene, (0..<3).map { embed("text \($0)") })

            #expect(replies.allSatisfy { $0.status == 200 })
            #expect(try scene.calls == 4)
            #expect(try scene.sidecar.stats()["embeddings"].exists == false)
        }
    }
}

extension HTTPReply {
    fileprivate var promptTokens: Int { json["usage"]["prompt_tokens"].int ?? -1 }

    /// The body before its usage, which the stand-in provider spells last.
    fileprivate var withoutUsage: String { text.components(separatedBy: ",\"usage\":")[0] }
}
