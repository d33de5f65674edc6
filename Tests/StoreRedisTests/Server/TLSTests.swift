import SamovarCore
import Testing

@testable import SamovarStoreRedis

@Suite(
    "Redis over TLS",
    .enabled(if: RedisServer.isInstalled && Certificate.isPossible, "redis-server or openssl is not installed"),
    .timeLimit(.minutes(2)))
struct TLSTests {
    private let directory: TemporaryDirectory
    private let certificate: Certificate
    private let port: Int

    init() throws {
        directory = try TemporaryDirectory()
        certificate = try Certificate(in: directory, named: "server")
        port = try freePort()
    }

    private func server(asksForCertificates: Bool) throws -> RedisServer {
        try RedisServer(
            "--tls-port", String(port), "--tls-cert-file", certificate.certificateFile,
            "--tls-key-file", certificate.keyFile, "--tls-ca-cert-file", certificate.certificateFile,
            "--tls-auth-clients", asksForCertificates ? "yes" : "no")
    }

    private func roundTrip(_ settings: RedisSettings) async throws -> Bool {
        let store = try RedisStore.forTest(settings)
        _ = await store.connected()
        let answer = Sample.answer(createdAt: ShiftedClock().wallNow, size: 100_000)
        await store.set(Sample.key(1), answer)
        let found = await store.get(Sample.key(1))
        await store.shutdown()
        return same(found?.answer, answer)
    }

    @Test("a server whose certificate we trust is used, by name and by address", arguments: ["localhost", "127.0.0.1"])
    func trusted(host: String) async throws {
        let server = try server(asksForCertificates: false)
        var settings = RedisSettings.patient("rediss://\(host):\(port)")
        settings.tls.caFile = certificate.certificateFile
        let isRight = try await roundTrip(settings)
        server.kill()
        #expect(isRight)
    }

    @Test("a server that asks who we are is shown our certificate")
    func clientCertificate() async throws {
        let server = try server(asksForCertificates: true)
        var settings = RedisSettings.patient("rediss://localhost:\(port)")
        settings.tls = .init(
            caFile: certificate.certificateFile, certificateFile: certificate.certificateFile,
            keyFile: certificate.keyFile)
        let isRight = try await roundTrip(settings)
        server.kill()
        #expect(isRight)
    }

    @Test("a server that we do not trust is not used")
    func untrusted() async throws {
        let server = try server(asksForCertificates: false)
        let stranger = try Certificate(in: directory, named: "stranger")
        let log = LogLines()
        var settings = RedisSettings.patient("rediss://localhost:\(port)")
        settings.tls.caFile = stranger.certificateFile
        let store = try RedisStore.forTest(settings, log: log)
        await log.wait(for: "error redis: cannot be used: TLS:")
        let found = await store.get(Sample.key(1))
        let status = store.status()
        await store.shutdown()
        server.kill()
        #expect(found == nil)
        #expect(status.connectCount == 0)
    }
}
