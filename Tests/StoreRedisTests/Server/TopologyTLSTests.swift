import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Sentinels and clusters over TLS",
    .enabled(if: RedisServer.isInstalled && Certificate.isPossible, "redis-server or openssl is not installed"),
    .timeLimit(.minutes(3)))
struct TopologyTLSTests {
    private let clock = ShiftedClock()
    private let certificate: Certificate
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        certificate = try Certificate(in: directory, named: "server")
    }

    /// Whoever comes must show a certificate.
    private func options(port: Int) -> [(name: String, value: String)] {
        [
            ("tls-port", "\(port)"), ("tls-cert-file", certificate.certificateFile),
            ("tls-key-file", certificate.keyFile), ("tls-ca-cert-file", certificate.certificateFile),
            ("tls-auth-clients", "yes"), ("tls-replication", "yes"), ("tls-cluster", "yes"),
        ]
    }

    private func settings(_ url: String) -> RedisSettings {
        var settings = RedisSettings.patient(url)
        settings.tls = .init(
            caFile: certificate.certificateFile, certificateFile: certificate.certificateFile,
            keyFile: certificate.keyFile)
        return settings
    }

    private func roundTrip(_ settings: RedisSettings) async throws -> Bool {
        let store = try RedisStore.forTest(settings, clock: clock)
        _ = await store.connected()
        let answer = Sample.answer(createdAt: clock.wallNow)
        await store.set(Sample.key(1), answer)
        let found = await store.get(Sample.key(1))
        await store.shutdown()
        return same(found?.answer, answer)
    }

    @Test("the nodes of a cluster that were found are spoken to over TLS, with our certificate, as is the first one")
    func cluster() async throws {
        let fleet = try await ClusterFleet(primaryCount: 1) { port in
            options(port: port).flatMap { ["--\($0.name)", $0.value] }
        }
        let isRight = try await roundTrip(settings("rediss+cluster://localhost:\(fleet.otherPort)"))
        fleet.stop()
        #expect(isRight)
    }

    @Test("sentinels, and the primary that they name, are spoken to over TLS, with our certificate")
    func sentinel() async throws {
        let (server, port) = try onFreePorts {
            let port = try freePort()
            let arguments = options(port: port).dropLast().flatMap { ["--\($0.name)", $0.value] }
            return (try RedisServer(arguments: arguments), port)
        }
        let (sentinel, sentinelPort) = try onFreePorts {
            let sentinelPort = try freePort()
            let lines = options(port: sentinelPort).dropLast().map { "\($0.name) \($0.value)" }
            return (try SentinelProcess(port: 0, watching: port, quorum: 1, lines: lines), sentinelPort)
        }
        let isRight = try await roundTrip(settings("rediss+sentinel://localhost:\(sentinelPort)/main"))
        sentinel.kill()
        server.kill()
        #expect(isRight)
    }
}
