import Foundation
import Testing

private let canPlay = Certificate.isPossible && Program.installed("python3") != nil

extension RealProcesses {
    /// Data ports that other machines may reach: TLS, and a token or a certificate.
    @Suite("TLS on the data ports", .enabled(if: canPlay, "python3 or openssl is not installed"))
    struct TLSTests {
        private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        private static let tools = tests.appendingPathComponent("../../tools/python").standardizedFileURL.path
        private static let token = ["SAMOVAR_ACCESS_TOKEN": "the-doors-own"]

        private func play(
            _ scene: String, environment: [String: String] = token, _ change: (inout SidecarSettings) -> Void = { _ in }
        ) throws -> String {
            let certificate = try Certificate()
            let provider = try Provider()
            let settings = SidecarSettings(upstream: provider.url).with {
                $0.listen["http"] = "0.0.0.0:0"
                $0.listen["binary"] = "0.0.0.0:0"
                $0.listen["cert_file"] = certificate.path
                $0.listen["key_file"] = certificate.keyPath
                if environment.isEmpty { $0.listen["client_ca_file"] = certificate.path }
            }.with(change)
            let sidecar = try Sidecar(settings, environment: environment)
            func local(_ address: SocketAddress) -> String {
                address.description.replacingOccurrences(of: "0.0.0.0", with: "127.0.0.1")
            }
            let script = Self.tests.appendingPathComponent("tls_client.py").path
            let process = try ChildProcess(
                Program.installed("python3") ?? "",
                [script, Self.tools, scene, local(sidecar.http), local(sidecar.binary)]
                    + [certificate.path, certificate.keyPath])
            let ending = process.ends(within: .seconds(60))
            return (ending == .exited(0) ? "" : "\(String(describing: ending))\n") + process.output + process.errors
        }

        @Test("serve whoever shows the token, through HTTP and the binary protocol")
        func token() throws { #expect(try play("token") == "ok\n") }

        @Test("serve nobody without it, whatever else is shown")
        func without() throws { #expect(try play("without") == "ok\n") }

        @Test("do not listen to who guesses")
        func guessing() throws { #expect(try play("guessing") == "ok\n") }

        @Test("serve whoever shows a certificate of the configured authority, and nobody else")
        func certificate() throws { #expect(try play("certificate", environment: [:]) == "ok\n") }

        @Test("tell nothing to who speaks no TLS")
        func plain() throws { #expect(try play("plain") == "ok\n") }

        @Test("are not opened with files that are none")
        func badFiles() throws {
            let certificate = try Certificate()
            let folder = try TemporaryFolder()
            for (key, cert, keyFile) in [
                ("cert_file", "/nowhere", certificate.keyPath), ("key_file", certificate.path, certificate.path),
            ] {
                let settings = SidecarSettings(upstream: "http://127.0.0.1:1").with {
                    $0.listen["cert_file"] = cert
                    $0.listen["key_file"] = keyFile
                }
                let process = try Sidecar.start(settings, in: folder)
                #expect(process.ends() == .exited(1))
                #expect(process.errors.contains("listen.\(key)"), "\(process.errors)")
                #expect(!process.errors.contains("BEGIN"))
            }
        }
    }
}
