/// An nginx of the test's own, before an upstream: what the rest of the world makes of a request, and TLS.
final class Nginx: Sendable {
    static let isInstalled = Program.installed("nginx") != nil
    static let skipped: String = "nginx is not installed"

    let address: SocketAddress
    private let process: ChildProcess
    private let folder: TemporaryFolder

    /// - Parameter certificate: with it, it speaks TLS.
    init(before upstream: SocketAddress, certificate: Certificate? = nil) throws {
        guard let path = Program.installed("nginx") else { throw HarnessError.odd(Self.skipped) }
        let folder = try TemporaryFolder()
        self.folder = folder
        for _ in 0..<5 {
            let address = try ListeningSocket().address
            try folder.write("nginx.conf", Self.configuration(address, upstream, certificate, folder))
            let process = try ChildProcess(path, ["-e", "stderr", "-p", folder.path, "-c", folder.file("nginx.conf")])
            let isUp = eventually { (try? RawConnection(to: address)) != nil || process.hasEnded() != nil }
            if isUp, process.hasEnded() == nil {
                self.address = address
                self.process = process
                return
            }
        }
        throw HarnessError.odd("nginx did not start")
    }

    private static func configuration(
        _ address: SocketAddress, _ upstream: SocketAddress, _ certificate: Certificate?, _ folder: TemporaryFolder
    ) -> String {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "\($0)_temp_path \(folder.path)/\($0);"
        }
        let tls = certificate.map { "ssl_certificate \($0.path); ssl_certificate_key \($0.keyPath);" } ?? ""
        return """
            daemon off; master_process off; pid \(folder.path)/nginx.pid; error_log stderr;
            events { worker_connections 64; }
            http {
                access_log off; \(temporary.joined(separator: " "))
                server {
                    listen \(address)\(certificate == nil ? "" : " ssl");
                    \(tls)
                    location / { proxy_pass http://\(upstream); proxy_buffering off; }
                }
            }
            """
    }
}

/// A self-signed certificate for localhost.
final class Certificate: Sendable {
    static let isPossible = Program.installed("openssl") != nil

    let path: String
    let keyPath: String
    private let folder: TemporaryFolder

    init() throws {
        guard let openssl = Program.installed("openssl") else { throw HarnessError.odd("openssl is not installed") }
        folder = try TemporaryFolder()
        path = folder.file("certificate.pem")
        keyPath = folder.file("key.pem")
        let process = try ChildProcess(
            openssl,
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
                + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
                + ["-keyout", keyPath, "-out", path])
        guard process.ends() == .exited(0) else { throw HarnessError.odd("openssl: \(process.errors)") }
    }
}
