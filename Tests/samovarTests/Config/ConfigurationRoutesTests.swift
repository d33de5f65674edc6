import SamovarCore
import Testing

@testable import samovar

struct ConfigurationRoutesTests {
    @Test("routes become the engine's, with what they leave open filled in")
    func routes() throws {
        let table = try ConfigurationText(
            """
            listen: {tenant: team}
            cache: {ttl: 2h, stale_ttl: 3h}
            upstreams:
              - {name: a, url: "https://a", api_key_env: K}
              - {name: b, url: "https://b", api_key_env: K}
            routes:
              - name: chat
                match: {path: /chat/completions, model: "x-*"}
                upstreams: [b]
                ttl: 1m
                stale_ttl: 0
                sampling: coalesce
                store_length: true
                store_content_filter: true
                finish_when_left: true
                key: {ignore: [user, metadata]}
                deadline: {first_token: 1s, between_tokens: 2s, total: 3s}
            """
        ).read().routeTable
        #expect(table.listenerTenant == "team")
        #expect(
            table.routes == [
                Route(
                    name: "chat", kinds: [.chat], model: ModelPattern("x-*"), upstreams: ["b"], credential: .configured,
                    ttl: .seconds(60), staleTTL: .zero, sampling: .coalesce, storesLength: true,
                    storesContentFilter: true, finishWhenLeft: true, ignored: ["user", "metadata"],
                    timeouts: AnswerDeadlines.Timeouts(
                        firstToken: .seconds(1), betweenTokens: .seconds(2), total: .seconds(3))),
                Route(
                    name: "default", upstreams: ["a", "b"], credential: .configured, ttl: .seconds(7_200),
                    staleTTL: .seconds(10_800), finishWhenLeft: false),
            ])
        #expect(table.route(for: .chat, model: "x-1")?.name == "chat")
        #expect(table.route(for: .chat, model: "y")?.name == "default")
        #expect(table.route(for: .embeddings, model: "x-1")?.name == "default")
    }

    @Test("embeddings are asked for together only where a route says so, with what it leaves open filled in")
    func batch() throws {
        let table = try ConfigurationText(
            """
            routes:
              - {name: a, match: {path: /embeddings, model: a}, batch: {}}
              - {name: b, match: {path: /embeddings, model: b}, batch: {size_max: 8, window: 150ms, tokens_max: 1000}}
              - {name: c, match: {path: /embeddings, model: c}, batch: null}
              - {name: d, match: {model: d}, batch: {window: 1ms}}
            """
        ).read().routeTable
        #expect(
            table.routes.map(\.batch) == [
                EmbeddingBatch.Limits(sizeMax: 32, window: .milliseconds(5), tokensMax: 75_000),
                EmbeddingBatch.Limits(sizeMax: 8, window: .milliseconds(150), tokensMax: 1_000), nil,
                EmbeddingBatch.Limits(window: .milliseconds(1)), nil,
            ])
    }

    @Test("where no key is configured, the caller's own goes upstream")
    func callersKey() throws {
        let table = try ConfigurationText("upstreams: [{name: a, url: http://a}]").read().routeTable
        #expect(table.routes.map(\.credential) == [.callers])
    }

    @Test("a route named default is the only one of that name")
    func ownDefault() throws {
        let configuration = try ConfigurationText("routes:\n  - {name: default, ttl: 1m}").read()
        #expect(configuration.routes.map(\.name) == ["default"])
        #expect(configuration.routes[0].ttl == .seconds(60))
    }

    @Test(
        "a route's path is one of four, with and without /v1",
        arguments: [
            ("/v1/chat/completions", APIKind.chat), ("/chat/completions", .chat), ("/v1/completions", .completions),
            ("/completions", .completions), ("/v1/embeddings", .embeddings), ("/embeddings", .embeddings),
            ("/v1/models", .models), ("/models", .models),
        ])
    func paths(path: String, kind: APIKind) throws {
        let table = try ConfigurationText("routes: [{name: a, match: {path: \(path)}}]").read().routeTable
        #expect(table.routes[0].kinds == [kind])
    }
}
