import Logging
import NIOCore
import SamovarCore
import SamovarEngine

/// The second cache, in Redis, shared by all processes that use it with the same `key_prefix`.
///
///     get ─▶ breaker ─▶ connection ─▶ GET + PTTL ─▶ is it whole? is it this key's? what is left of it? ─▶ answer
///     set ─▶ too large? ─▶ server takes writes? ─▶ breaker ─▶ connection ─▶ SET … PX life
///
/// Through it processes share their calls too: Lease/ takes and gives back the lease of a key, Stream/ publishes and
/// follows what a leading pod gets, News/ hears that somebody follows.
///
/// Whatever is wrong with the server, a look-up ends within `timeout` and says that there is nothing. What the server
/// hands out is believed only if it is bound to the key that was asked for.
public final class RedisStore: LeaseStore, CoherentStore {
    public let pod = PodID(.random(in: .min ... .max))
    let settings: RedisSettings
    let primaries: Primaries
    let keyName: KeyName
    let seal: Seal
    let counters = RedisCounters()
    let clock: any MonotonicClock
    let publications = Publications()
    let pokes = Pokes()
    let reader: StreamReader
    let news: Ears
    /// Where what is heard of changes goes; and which scopes are meant by the names of generations.
    let hearing: Hearing

    /// Begins to connect in the background, and goes on until `shutdown()`. An absent server is no error.
    public convenience init(
        settings: RedisSettings,
        group: any EventLoopGroup,
        logger: Logger,
        clock: any MonotonicClock = SystemClock()
    ) throws(RedisSettingsError) {
        try self.init(settings: settings, group: group, logger: logger, clock: clock, reusesAfterTimeout: false)
    }

    /// - Parameter reusesAfterTimeout: the bug that `ReplySlots` prevents, for tests.
    init(
        settings: RedisSettings,
        group: any EventLoopGroup,
        logger: Logger,
        clock: any MonotonicClock,
        reusesAfterTimeout: Bool
    ) throws(RedisSettingsError) {
        let deployment = try settings.deployment(reusesAfterTimeout: reusesAfterTimeout)
        self.settings = settings
        self.clock = clock
        let seal = Seal(settings.keyRing.map { Vault($0) })
        self.seal = seal
        let keyName = KeyName(keyPrefix: settings.keyPrefix, names: settings.keyRing?.names)
        self.keyName = keyName
        let counters = counters
        let primaries = Primaries(
            deployment, lineCount: settings.connectionCount, group: group, clock: clock, logger: logger
        ) { name in
            Gates(settings.breaker, name: name, counters: counters, clock: clock, logger: logger)
        }
        self.primaries = primaries
        reader = StreamReader(
            primaries, interest: Interest(pod: pod, keyName: keyName), keyName: keyName, timeout: settings.timeout,
            connectTimeout: settings.connectTimeout, seal: seal, clock: clock)
        let pokes = pokes
        let hearing = Hearing(keyName: keyName, pod: pod)
        self.hearing = hearing
        let channel = keyName.pokes(of: pod)
        news = Ears(
            primaries,
            make: { line, standing in
                NewsConnection(
                    settings: line, channels: [channel, keyName.purges],
                    tracked: [keyName.answers, keyName.generations], loop: group.next(), clock: clock, logger: logger,
                    standing: standing,
                    receive: { name, payload in
                        if name == channel { pokes.poked(payload) } else { hearing.heard(payload, on: name) }
                    })
            }, standing: { hearing.stands($0) })
    }

    // MARK: Store

    public func get(_ key: RequestKey) async -> StoredAnswer? {
        counters.gets.add(1)
        let name = keyName.bytes(key)
        let gates = primaries.gates(at: name)
        guard let permit = gates.all.ask() else {
            counters.skipped.add(1)
            return nil
        }
        let exchange = await primaries.send(
            [[Verb.get, name], [Verb.pttl, name]], at: name, timeout: settings.timeout)
        switch exchange.outcome {
        case .failure(let failure):
            gates.report(failure, permit)
            return nil
        case .success(let replies):
            guard let found = found(replies, exchange, permit) else { return nil }
            let stored = decoded(found.bytes, found.remaining, key, exchange)
            (stored == nil ? counters.misses : counters.hits).add(1)
            return stored
        }
    }

    public func set(_ key: RequestKey, _ answer: Answer) async {
        counters.sets.add(1)
        guard StoredValue.size(of: answer) <= settings.valueSizeMax else { return counters.tooLarge.add(1) }
        let life = answer.remaining(at: clock.wallNow).milliseconds
        guard life > 0 else { return }
        let name = keyName.bytes(key)
        let gates = primaries.gates(at: name)
        guard let writePermit = gates.writes.ask() else { return counters.skippedWrites.add(1) }
        guard let permit = gates.all.ask() else { return counters.skipped.add(1) }
        let value = encoded(answer, key)
        let command = [Verb.set, name, value, Verb.px, Array(String(life).utf8)]
        let exchange = await primaries.send([command], at: name, timeout: settings.timeout, canWait: true)
        switch exchange.outcome {
        case .failure(let failure): gates.report(failure, permit)
        case .success(let replies): wrote(replies[0], exchange, permit, writePermit)
        }
    }

    /// What is to be written. Memory is told first: then a change of this name may be heard of.
    func encoded(_ answer: Answer, _ key: RequestKey) -> [UInt8] {
        let value = StoredValue.encode(answer, for: key, seal: seal)
        if let identity = StoredValue.identity(value, seal: seal) { hearing.tell(.writes(key, identity)) }
        return value
    }

    public func remove(_ key: RequestKey) async {
        let name = keyName.bytes(key)
        let gates = primaries.gates(at: name)
        guard let writePermit = gates.writes.ask() else { return counters.skippedWrites.add(1) }
        guard let permit = gates.all.ask() else { return counters.skipped.add(1) }
        let exchange = await primaries.send([[Verb.unlink, name]], at: name, timeout: settings.timeout)
        switch exchange.outcome {
        case .failure(let failure): gates.report(failure, permit)
        case .success(let replies): wrote(replies[0], exchange, permit, writePermit)
        }
    }

    // MARK: Replies

    /// What GET has found, and how long Redis will keep it.
    private struct Found {
        let bytes: [UInt8]
        /// Nil: Redis knows of no end, or does not say.
        let remaining: Duration?
    }

    /// Reads the replies to GET and PTTL. Nil: nothing there, or nothing learned.
    private func found(
        _ replies: [RESPValue], _ exchange: RedisClient.Exchange, _ permit: consuming Gate.Permit
    ) -> Found? {
        switch (replies[0], replies[1]) {
        // Somebody else's, of another type, under our name. The next answer is written over it.
        case (.error(ServerError(code: "WRONGTYPE")), _), (.null, .integer), (.null, .error),
            (.bulk, .integer(-2)):
            counters.misses.add(1)
            permit.succeeded()
            return nil
        case (.error(let error), _):
            counters.errors.add(1)
            permit.failed(error.explanation)
            return nil
        case (.bulk(let bytes), .integer(let milliseconds)):
            permit.succeeded()
            return Found(bytes: bytes, remaining: milliseconds < 0 ? nil : .milliseconds(milliseconds))
        case (.bulk(let bytes), .error):
            // A user that may GET and not PTTL: the expiry inside the value will do.
            permit.succeeded()
            return Found(bytes: bytes, remaining: nil)
        default:
            counters.errors.add(1)
            permit.failed("a reply of the wrong kind")
            exchange.distrust()
            return nil
        }
    }

    /// What these bytes are to this key: nil where they are damaged, another's or dead.
    ///
    /// - Parameter remaining: how long Redis will keep them; nil: it knows of no end, or does not say.
    func decoded(
        _ bytes: [UInt8], _ remaining: Duration?, _ key: RequestKey, _ exchange: RedisClient.Exchange
    ) -> StoredAnswer? {
        do throws(ValueDamage) {
            let answer = try StoredValue.decode(bytes, for: key, seal: seal)
            let inside = answer.remaining(at: clock.wallNow)
            let remaining = min(inside, remaining ?? inside)
            return remaining > .zero ? StoredAnswer(answer, remaining: remaining, at: clock.now) : nil
        } catch {
            counters.damaged[error].add(1)
            // Another key's value: either it was moved in Redis, or this connection hands out its neighbours' replies.
            if error == .key { exchange.distrust() }
            if error.isRemoved {
                let name = keyName.bytes(key)
                primaries.post([Verb.unlink, name], at: name, timeout: settings.timeout, avoiding: exchange)
            }
            return nil
        }
    }

    private func wrote(
        _ reply: RESPValue, _ exchange: RedisClient.Exchange, _ permit: consuming Gate.Permit,
        _ writePermit: consuming Gate.Permit
    ) {
        switch reply {
        case .status, .integer:
            counters.written.add(1)
            permit.succeeded()
            writePermit.succeeded()
        case .error(let error) where error.isPassing:
            counters.errors.add(1)
            permit.abandoned()
        case .error(let error) where error.meansDown:
            counters.errors.add(1)
            permit.failed(error.explanation)
        case .error(let error):
            counters.errors.add(1)
            // It has answered, and in time: nothing is wrong for reads.
            permit.succeeded()
            writePermit.failed(error.explanation)
        default:
            counters.errors.add(1)
            permit.failed("a reply of the wrong kind")
            exchange.distrust()
        }
    }

    // MARK: For operators

    /// Cheap: reads counters.
    public func status() -> RedisStatus {
        RedisStatus(
            getCount: counters.gets.current, hitCount: counters.hits.current, missCount: counters.misses.current,
            setCount: counters.sets.current, writtenCount: counters.written.current,
            skippedCount: counters.skipped.current, skippedWriteCount: counters.skippedWrites.current,
            timeoutCount: counters.timeouts.current, errorCount: counters.errors.current,
            damaged: Dictionary(uniqueKeysWithValues: counters.damaged.all.map { ($0.label, $0.value) }),
            tooLargeCount: counters.tooLarge.current, connectCount: primaries.connectCount,
            liveConnectionCount: primaries.liveCount, breakerState: primaries.breakerState(\.all),
            writeBreakerState: primaries.breakerState(\.writes),
            leaseBreakerState: primaries.breakerState(\.leases), leases: counters.leases.current,
            topology: primaries.counts)
    }

    /// Seals with the new ring's first key from now on. False, and nothing has changed, where it names things otherwise
    /// or there was none: what is there would not be found any more.
    public func change(to ring: KeyRing) -> Bool {
        guard let vault = seal.vault, vault.names == ring.names else { return false }
        vault.change(to: ring)
        return true
    }

    /// How long one round trip takes now; nil when there is no answer within the timeout. Asks whatever the breaker
    /// says, and tells it nothing.
    public func ping() async -> Duration? {
        let start = clock.now
        let exchange = await primaries.sendAnywhere([[Verb.ping]], timeout: settings.timeout)
        guard case .success(let replies) = exchange.outcome, case .status = replies[0] else { return nil }
        return start.duration(to: clock.now)
    }

    /// Waits for the first connection: for commands that do one thing and end. False when the task is cancelled or
    /// the store shut down before there is one. A server need not wait.
    public func connected() async -> Bool {
        await primaries.connected()
    }

    /// Fails what is under way, closes all connections and waits until they are closed. Idempotent.
    public func shutdown() async {
        await reader.shutdown()
        await news.shutdown()
        await primaries.shutdown()
    }
}

/// The words of the protocol that we use.
private enum Verb {
    static let get = Array("GET".utf8)
    static let pttl = Array("PTTL".utf8)
    static let set = Array("SET".utf8)
    static let px = Array("PX".utf8)
    static let unlink = Array("UNLINK".utf8)
    static let ping = Array("PING".utf8)
}
