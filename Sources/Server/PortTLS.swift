import NIOSSL

/// TLS of the data ports: who we are, and whose certificate callers must show.
public struct PortTLS: Sendable {
    let context: NIOSSLContext

    /// - Parameters:
    ///   - certificateFile: our chain, in PEM, leaf first.
    ///   - keyFile: its private key, in PEM.
    ///   - clientCAFile: callers must show a certificate that one of these has signed; nil: they need none.
    /// - Throws: which of the files cannot be used.
    public init(certificateFile: String, keyFile: String, clientCAFile: String?) throws(PortTLSError) {
        let chain = try Self.read("cert_file", certificateFile) { try NIOSSLCertificate.fromPEMFile(certificateFile) }
        let key = try Self.read("key_file", keyFile) { try NIOSSLPrivateKey(file: keyFile, format: .pem) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = []
        if let clientCAFile {
            let roots = try Self.read("client_ca_file", clientCAFile) {
                try NIOSSLCertificate.fromPEMFile(clientCAFile)
            }
            configuration.trustRoots = .certificates(roots)
            // Clients are known by their issuer; what host they call from is no matter.
            configuration.certificateVerification = .noHostnameVerification
        }
        context = try Self.read("cert_file", certificateFile) { try NIOSSLContext(configuration: configuration) }
    }

    private static func read<Value>(
        _ key: String, _ file: String, _ body: () throws -> Value
    ) throws(PortTLSError) -> Value {
        do {
            return try body()
        } catch {
            throw PortTLSError(key: key, file: file)
        }
    }
}

/// A file that is not what TLS needs. Quotes nothing of it.
public struct PortTLSError: Error, Hashable, Sendable {
    /// The config key under `listen`.
    public let key: String
    public let file: String
}
