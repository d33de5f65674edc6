import SamovarCore
import SamovarEngine
import SamovarServer
import SamovarStoreRedis
import SamovarUpstreamHTTP
import SamovarWire

// How the configuration's words become the parts' settings.

extension Configuration {
    func frontSettings(_ secrets: ConfigurationSecrets) -> FrontSettings {
        let passing = passingUpstream
        return FrontSettings(
            routes: routeTable,
            pass: PassRule(named: Set(passthrough), hasConfiguredKey: passing?.apiKeyEnv != nil),
            passUpstream: passing?.name,
            names: RequestRules.Names(
                hosts: Set(listen.allowedHosts.map { $0.lowercased() }), origins: Set(listen.allowedOrigins)),
            requestLimits: RequestRules.Limits(
                bodySizeMax: limits.bodySizeMax, headerCountMax: limits.headerCountMax),
            pace: ReadPace.Limits(
                headerTimeout: limits.headerTimeout, bodyRateMin: limits.bodyRateMin, idleTimeout: limits.idleTimeout),
            headerSizeMax: limits.headerSizeMax,
            connectionsMax: limits.connectionsMax,
            writeTimeout: limits.writeTimeout,
            keepAliveInterval: limits.keepAliveInterval,
            debugHeaders: debugHeaders,
            binaryLimits: BinaryLimits(
                bodySizeMax: limits.bodySizeMax, metadataSizeMax: limits.metadataSizeMax,
                inflightMax: limits.inflightMax, windowSize: limits.windowSize, chunkSize: limits.chunkSize,
                outputSizeMax: limits.outputSizeMax),
            followerLagMax: limits.followerLagMax,
            drainGrace: drain.acceptFor + drain.grace,
            adminToken: secrets.adminToken,
            accessToken: secrets.accessToken)
    }

    /// TLS of the data ports, where it is wanted.
    func portTLS() throws -> PortTLS? {
        guard let certFile = listen.certFile, let keyFile = listen.keyFile else { return nil }
        do throws(PortTLSError) {
            return try PortTLS(certificateFile: certFile, keyFile: keyFile, clientCAFile: listen.clientCAFile)
        } catch {
            throw CommandFailure("listen.\(error.key): \(error.file): not what TLS needs, in PEM, or not to be read")
        }
    }

    func pipelineSettings() -> Pipeline.Settings {
        Pipeline.Settings(
            flightsMax: limits.flightsMax,
            flightLimits: FlightLimits(
                followersMax: limits.flightFollowersMax,
                answer: AnswerLimits(answerSizeMax: limits.answerSizeMax, streamSizeMax: limits.streamSizeMax),
                followerLagMax: limits.followerLagMax),
            bodySizeMax: limits.bodySizeMax,
            markTTL: cache.hitForMissTTL,
            prices: priceTable,
            lease: leaseSettings,
            onTrackingLoss: redis.onTrackingLoss,
            admission: admissionSettings,
            fleet: fleetSettings,
            upstreams: upstreams.map(UpstreamLimits.init))
    }

    private var admissionSettings: AdmissionSettings {
        AdmissionSettings(
            enabled: admission.enabled,
            tenant: .init(
                requestsPerSecond: admission.tenant.requestsPerSecond, burst: admission.tenant.burst,
                tokensPerMinute: admission.tenant.tokensPerMinute),
            modelShare: admission.modelShare, retryRatio: admission.retryRatio)
    }

    private var fleetSettings: FleetShare.Settings? {
        guard admission.enabled, admission.fleet, redis.url != nil else { return nil }
        return FleetShare.Settings(interval: admission.shareInterval, keep: admission.shareKeep)
    }

    private var leaseSettings: LeaseSettings? {
        guard lease.enabled else { return nil }
        return LeaseSettings(
            duration: lease.duration, stageTimeout: redis.timeout, publishInterval: lease.publishInterval,
            publishQueueSizeMax: lease.publishQueueSizeMax)
    }

    /// Who answers paths that are not ours: the first upstream of the route that takes whatever it is.
    var passingUpstream: UpstreamConfiguration? {
        routeTable.forAnything.flatMap { route in upstreams.first { $0.name == route.upstreams.first } }
    }

    func redisSettings(_ secrets: ConfigurationSecrets) throws -> RedisSettings? {
        guard let url = redis.url else { return nil }
        return RedisSettings(
            url: url.text.revealed,
            keyPrefix: redis.keyPrefix,
            timeout: redis.timeout,
            connectTimeout: redis.connectTimeout,
            connectionCount: redis.connections,
            valueSizeMax: redis.valueSizeMax,
            password: secrets.redisPassword,
            sentinelUser: redis.sentinelUser,
            sentinelPassword: secrets.sentinelPassword,
            tls: RedisSettings.TLSFiles(
                caFile: redis.caFile, certificateFile: redis.certFile, keyFile: redis.keyFile),
            keyRing: try redis.keyRingFile.map(KeyRingFile.read))
    }
}

extension HTTPUpstream.Settings {
    init(_ upstream: UpstreamConfiguration, apiKey: Secret?) {
        self.init(
            name: upstream.name, url: upstream.url, apiKey: apiKey, connectTimeout: upstream.connectTimeout,
            connectionsMax: upstream.connectionsMax, caFile: upstream.caFile)
    }
}

extension UpstreamPool.Member {
    init(_ upstream: UpstreamConfiguration, _ client: HTTPUpstream) {
        self.init(
            limits: UpstreamLimits(upstream), alwaysStreams: upstream.form == .stream,
            usageChunk: upstream.usageChunk == .ask ? .ask : .leave, upstream: client)
    }
}

extension UpstreamLimits {
    init(_ upstream: UpstreamConfiguration) {
        let breaker = upstream.breaker
        self.init(
            name: upstream.name, weight: upstream.weight, tier: upstream.tier,
            requestsPerSecond: upstream.requestsPerSecond, burst: upstream.burst,
            tokensPerMinute: upstream.tokensPerMinute, concurrencyMax: upstream.concurrencyMax,
            queueMax: upstream.queueMax, slowStart: upstream.slowStart,
            breaker: .init(
                openForMin: breaker.sleep, openForMax: breaker.sleepMax,
                window: .init(
                    length: breaker.window, volumeMin: breaker.volumeMin, errorRatio: breaker.errorRatio,
                    slowRatio: breaker.slowRatio),
                probeSuccesses: breaker.probeSuccesses),
            slowAfter: breaker.slowAfter)
    }
}

extension PortDriver {
    init(_ driver: Configuration.Driver) {
        switch driver {
        case .nio: self = .nio
        case .epoll: self = .epoll
        }
    }
}

extension SamovarServer.ListenAddress {
    init(_ address: ListenAddress) {
        switch address {
        case .tcp(let host, let port): self = .tcp(host: host, port: port)
        case .unix(let path): self = .unix(path: path)
        }
    }
}

extension Stats.RedisStats {
    init(_ status: RedisStatus) {
        let breaker =
            switch status.breakerState {
            case .closed: "closed"
            case .halfOpen: "half_open"
            case .open: "open"
            }
        self.init(
            breaker: breaker, hits: status.hitCount, misses: status.missCount, sets: status.writtenCount,
            skipped: status.skippedCount + status.skippedWriteCount, timeouts: status.timeoutCount,
            errors: status.errorCount, damaged: status.damagedCount, tooLarge: status.tooLargeCount)
    }
}
