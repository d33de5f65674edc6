import SamovarCore
import SamovarWire

/// What the data port is told by the configuration.
public struct FrontSettings: Sendable {
    public var routes: RouteTable
    public var pass: PassRule
    /// The upstream that answers what passes through. `pass` was made for this one.
    public var passUpstream: String?
    /// Of what passes through.
    public var passTimeouts: AnswerDeadlines.Timeouts {
        routes.forAnything?.timeouts ?? AnswerDeadlines.Timeouts()
    }
    public var names: RequestRules.Names
    public var requestLimits: RequestRules.Limits
    public var pace: ReadPace.Limits
    /// `header_size_max`: of all headers together, in bytes.
    public var headerSizeMax: Int
    public var connectionsMax: Int
    public var writeTimeout: Duration
    /// How long a streaming caller is left without a byte.
    public var keepAliveInterval: Duration
    /// Show `X-Samovar-Key`.
    public var debugHeaders: Bool
    public var binaryLimits: BinaryLimits
    /// `follower_lag_max`: how far a live answer may run ahead of its reader's credit, in bytes.
    public var followerLagMax: Int
    /// How long requests may take that are in flight when the process leaves.
    public var drainGrace: Duration
    /// What administrators show; nil: there are none.
    public var adminToken: Secret?
    /// What everyone shows on a port that other machines reach; nil: nothing.
    public var accessToken: Secret?

    public init(
        routes: RouteTable,
        pass: PassRule,
        passUpstream: String? = nil,
        names: RequestRules.Names = RequestRules.Names(),
        requestLimits: RequestRules.Limits = RequestRules.Limits(),
        pace: ReadPace.Limits = ReadPace.Limits(),
        headerSizeMax: Int = 16 << 10,
        connectionsMax: Int = 1_024,
        writeTimeout: Duration = .seconds(30),
        keepAliveInterval: Duration = .seconds(10),
        debugHeaders: Bool = false,
        binaryLimits: BinaryLimits = BinaryLimits(),
        followerLagMax: Int = 256 << 10,
        drainGrace: Duration = .seconds(25),
        adminToken: Secret? = nil,
        accessToken: Secret? = nil
    ) {
        self.routes = routes
        self.pass = pass
        self.passUpstream = passUpstream
        self.names = names
        self.requestLimits = requestLimits
        self.pace = pace
        self.headerSizeMax = headerSizeMax
        self.connectionsMax = connectionsMax
        self.writeTimeout = writeTimeout
        self.keepAliveInterval = keepAliveInterval
        self.debugHeaders = debugHeaders
        self.binaryLimits = binaryLimits
        self.followerLagMax = followerLagMax
        self.drainGrace = drainGrace
        self.adminToken = adminToken
        self.accessToken = accessToken
    }
}
