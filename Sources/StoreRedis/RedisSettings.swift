import NIOSSL
import SamovarCore

/// How the second cache is reached, and what may be put there.
public struct RedisSettings: Sendable {
    /// `redis://`, `unix://`, `redis+sentinel://`, `redis+cluster://`, or the same over TLS; see `RedisURL`.
    public var url: String
    /// What all names of ours begin with.
    public var keyPrefix: String
    /// How long a command may take, from the call to the reply. A reply that takes longer costs the connection.
    public var timeout: Duration
    /// How long an attempt to connect may take, name, TLS and greeting included.
    public var connectTimeout: Duration
    /// To each primary.
    public var connectionCount: Int
    /// Larger values are not written.
    public var valueSizeMax: Int
    /// No reply may be larger: it ends the connection. Never below `valueSizeMax`.
    public var replySizeMax: Int
    /// How many commands may wait for their replies on one connection.
    public var pipelineDepthMax: Int
    /// Stands in for the one in `url`, where it does not lie about in files and process lists.
    public var password: Secret?
    /// Who we are to sentinels, which do not know the servers' users. Nil: their default user.
    public var sentinelUser: String?
    public var sentinelPassword: Secret?
    public var tls: TLSFiles
    /// Encrypts what is kept, and names it; nil: it stands there in the clear, with checksums.
    public var keyRing: KeyRing?
    public var breaker: Breaker.Settings

    /// What stands in files, in PEM. All optional: the system's trusted roots are the default.
    public struct TLSFiles: Hashable, Sendable {
        /// Whom to trust instead of the system's roots.
        public var caFile: String?
        /// What to show to a server that asks who we are.
        public var certificateFile: String?
        public var keyFile: String?

        public init(caFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) {
            self.caFile = caFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    public init(
        url: String,
        keyPrefix: String = "samovar:",
        timeout: Duration = .milliseconds(50),
        connectTimeout: Duration = .milliseconds(500),
        connectionCount: Int = 2,
        valueSizeMax: Int = 1 << 20,
        replySizeMax: Int = 8 << 20,
        pipelineDepthMax: Int = 1_024,
        password: Secret? = nil,
        sentinelUser: String? = nil,
        sentinelPassword: Secret? = nil,
        tls: TLSFiles = TLSFiles(),
        keyRing: KeyRing? = nil,
        breaker: Breaker.Settings = Breaker.Settings()
    ) {
        self.url = url
        self.keyPrefix = keyPrefix
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.connectionCount = connectionCount
        self.valueSizeMax = valueSizeMax
        self.replySizeMax = replySizeMax
        self.pipelineDepthMax = pipelineDepthMax
        self.password = password
        self.sentinelUser = sentinelUser
        self.sentinelPassword = sentinelPassword
        self.tls = tls
        self.keyRing = keyRing
        self.breaker = breaker
    }
}

/// Printed by accident, it shows no URL, as that may hold a password.
extension RedisSettings: CustomStringConvertible, CustomReflectable {
    public var description: String { "RedisSettings(\(keyPrefix))" }
    public var customMirror: Mirror { Mirror(self, children: ["keyPrefix": keyPrefix]) }
}

/// Which setting is wrong, and how. Never holds a secret.
public struct RedisSettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension Line.Settings {
    /// The same for a connection that reads more at once.
    func reading(replySizeMax: Int) -> Line.Settings {
        Line.Settings(
            endpoint: endpoint, greeting: greeting, pipelineDepthMax: pipelineDepthMax,
            replySizeMax: max(self.replySizeMax, replySizeMax), reusesAfterTimeout: reusesAfterTimeout)
    }
}

extension RedisSettings {
    /// What a connection to the first server of the URL needs to know, checked.
    func lineSettings(reusesAfterTimeout: Bool = false) throws(RedisSettingsError) -> Line.Settings {
        let deployment = try deployment(reusesAfterTimeout: reusesAfterTimeout)
        return deployment.line { deployment.seeds.first }
    }

    /// What is known about the servers, checked.
    func deployment(reusesAfterTimeout: Bool = false) throws(RedisSettingsError) -> Deployment {
        let url = try RedisURL(parsing: url)
        try check()
        let password = password ?? url.password
        if let user = url.user, password == nil {
            throw RedisSettingsError("url: user \(user) has no password, and none is configured beside the url")
        }
        if sentinelUser != nil, sentinelPassword == nil {
            throw RedisSettingsError("sentinel_user: needs a password (sentinel_password_env)")
        }
        var mustBePrimary = false
        if case .sentinel = url.kind { mustBePrimary = true }
        guard mustBePrimary || (sentinelUser == nil && sentinelPassword == nil) else {
            throw RedisSettingsError("sentinel_user, sentinel_password_env: the url is not redis+sentinel://")
        }
        // It would be the hash tag of all names, or a part of it.
        if case .cluster = url.kind, keyPrefix.contains("{") {
            throw RedisSettingsError("key_prefix: in a cluster it may not hold {, which decides where a name is kept")
        }
        return Deployment(
            kind: url.kind, tls: try tls.context(url), connectTimeout: connectTimeout,
            greeting: Greeting(
                user: url.user, password: password, database: url.database, mustBePrimary: mustBePrimary),
            sentinelGreeting: Greeting(user: sentinelUser, password: sentinelPassword, database: 0),
            pipelineDepthMax: pipelineDepthMax,
            replySizeMax: max(replySizeMax, valueSizeMax) + Self.replySizeSlack,
            reusesAfterTimeout: reusesAfterTimeout)
    }

    /// For the header of the reply itself and for what was fed along with its end.
    private static let replySizeSlack = 64 << 10

    private func check() throws(RedisSettingsError) {
        guard timeout > .zero else { throw RedisSettingsError("timeout: must be more than nothing") }
        guard connectTimeout > .zero else { throw RedisSettingsError("connect_timeout: must be more than nothing") }
        guard (1...64).contains(connectionCount) else {
            throw RedisSettingsError("connection_count: \(connectionCount) is not from 1 to 64")
        }
        guard (1...512 << 20).contains(valueSizeMax) else {
            throw RedisSettingsError("value_size_max: must be more than nothing and at most 512 MiB, Redis's own limit")
        }
        guard pipelineDepthMax > 0 else { throw RedisSettingsError("pipeline_depth_max: must be more than nothing") }
    }
}

extension RedisSettings.TLSFiles {
    fileprivate func context(_ url: RedisURL) throws(RedisSettingsError) -> NIOSSLContext? {
        guard url.usesTLS else {
            guard self == RedisSettings.TLSFiles() else {
                throw RedisSettingsError("tls: files are given, but the url does not begin with rediss:// or rediss+")
            }
            return nil
        }
        guard (certificateFile == nil) == (keyFile == nil) else {
            throw RedisSettingsError("tls: a certificate needs its key, and a key its certificate")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        // A frozen server does not say goodbye; its sockets are not kept for that.
        configuration.shutdownTimeout = .milliseconds(100)
        if let caFile {
            let roots = try read("tls: ca_file \(caFile)") { try NIOSSLCertificate.fromPEMFile(caFile) }
            configuration.trustRoots = .certificates(roots)
        }
        if let certificateFile, let keyFile {
            let chain = try read("tls: certificate_file \(certificateFile)") {
                try NIOSSLCertificate.fromPEMFile(certificateFile)
            }
            let key = try read("tls: key_file \(keyFile)") { try NIOSSLPrivateKey(file: keyFile, format: .pem) }
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(key)
        }
        return try read("tls") { try NIOSSLContext(configuration: configuration) }
    }

    private func read<Value>(_ what: String, _ body: () throws -> Value) throws(RedisSettingsError) -> Value {
        do {
            return try body()
        } catch {
            throw RedisSettingsError("\(what): \(describe(error))")
        }
    }
}
