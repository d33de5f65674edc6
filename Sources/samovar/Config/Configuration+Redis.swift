import SamovarCore

extension Configuration {
    /// The second cache. Without a URL there is none.
    struct Redis: Hashable, Sendable {
        var url: StoreURL?
        var keyPrefix = "samovar:"
        /// How long one command may take.
        var timeout = Duration.milliseconds(50)
        var connectTimeout = Duration.milliseconds(500)
        /// To each primary.
        var connections = 2
        var valueSizeMax = 1 << 20
        /// The variable with the password, where the URL has none.
        var passwordEnv: String?
        /// Who we are to sentinels; nil: their default user.
        var sentinelUser: String?
        /// The variable with the password that sentinels want.
        var sentinelPasswordEnv: String?
        /// Whom to trust in place of the system's authorities.
        var caFile: String?
        /// With `keyFile`: who we are, to a server that wants to know.
        var certFile: String?
        var keyFile: String?
        /// Keys that encrypt what is kept there; null: it stands there in the clear.
        var keyRingFile: String?
        /// What L1 serves while changes in Redis are not heard of.
        var onTrackingLoss = Tracking.OnLoss.serve

        static let keys: [ConfigurationKey<Redis>] = [
            .optional("url", \.url, .storeURL, .restart),
            .value("key_prefix", \.keyPrefix, .text(sizeMax: 128), .restart),
            .value("timeout", \.timeout, .duration(.milliseconds(1)...(.seconds(10))), .restart),
            .value("connect_timeout", \.connectTimeout, .duration(.milliseconds(1)...(.seconds(60))), .restart),
            .value("connections", \.connections, .count(1...64), .restart),
            .value("value_size_max", \.valueSizeMax, .size(1 << 10...512 << 20), .restart),
            .optional("password_env", \.passwordEnv, .variableName, .restart),
            .optional("sentinel_user", \.sentinelUser, .text(sizeMax: 128), .restart),
            .optional("sentinel_password_env", \.sentinelPasswordEnv, .variableName, .restart),
            .optional("ca_file", \.caFile, .filePath, .restart),
            .optional("cert_file", \.certFile, .filePath, .restart),
            .optional("key_file", \.keyFile, .filePath, .restart),
            .optional("key_ring_file", \.keyRingFile, .filePath, .restart),
            .value("on_tracking_loss", \.onTrackingLoss, .choice, .restart),
        ]
    }
}
