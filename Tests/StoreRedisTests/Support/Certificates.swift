/// A certificate that certifies itself, for `localhost` and 127.0.0.1, made on the spot.
struct Certificate {
    static let isPossible = installed("openssl") != nil

    let certificateFile: String
    let keyFile: String

    init(in directory: TemporaryDirectory, named name: String) throws {
        guard let openssl = installed("openssl") else { throw ProcessError.cannotStart("openssl") }
        certificateFile = "\(directory.path)/\(name).pem"
        keyFile = "\(directory.path)/\(name).key"
        let process = try ChildProcess(
            openssl,
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
                + ["-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
                + ["-keyout", keyFile, "-out", certificateFile])
        guard process.wait() == 0 else { throw ProcessError.failed("openssl") }
    }
}
