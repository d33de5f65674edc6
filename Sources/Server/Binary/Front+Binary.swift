import SamovarCore
import SamovarEngine
import SamovarWire

extension Front: BinaryService {
    func admits(adminToken: Secret?) -> Bool? {
        guard let adminToken else { return false }
        guard let expected = currentSettings.adminToken, expected.isSame(as: adminToken) else { return nil }
        return true
    }

    func recall(_ arrival: Request.Arrival, _ digest: Digest256, at now: Instant) -> Served? {
        remembered(arrival, digest).map { look($0, at: now) }
    }

    func recallPlain(_ digest: Digest256, _ kind: APIKind, _ caller: inout BinaryCaller, at now: Instant) -> PlainHit? {
        let settings = snapshot
        // After a reload the same credential may be another tenant.
        if caller.routes?.isSame(as: settings.settings.routes) != true {
            caller.routes = settings.settings.routes
            caller.tenant = settings.settings.routes.caller(authorization: caller.authorization)
        }
        guard !settings.settings.debugHeaders, let tenant = caller.tenant, let routes = caller.routes,
            let known = memo.withLock({ $0.lookupPlain(digest, kind: kind, caller: tenant, in: routes) }),
            let (stored, provenance) = pipeline.find(known.key, at: now)
        else { return nil }
        return PlainHit(
            stored: stored, provenance: provenance, form: known.form, wantsUsage: known.wantsUsage,
            arm: routes.hasArms ? routes.arm(of: known) : nil)
    }

    func order(_ order: Order, at now: Instant) -> Served {
        do throws(FailedReply) {
            switch order {
            case .stats: return .served(.stats)
            case .put(let arrival, let form, let answer, let ttl):
                return .served(.put(try understand(arrival, nil), form, answer: answer, ttl: ttl))
            case .invalidate(let arrival): return .served(.invalidate(try understand(arrival, nil)))
            case .invalidateScope(let target, let name, let authorization):
                return .served(.invalidateScopes(scopes(target, name, authorization)))
            case .warm(let arrival, let digest): return .served(.warm(try understand(arrival, digest)))
            }
        } catch {
            refused(at: .binary, since: now)
            return .failed(error)
        }
    }

    func lagged() { metrics.lagged.add(1) }

    // MARK: Orders

    /// Asks on behalf of nobody in particular.
    func warm(_ request: Request, _ exchange: Exchange) async {
        await pipeline.serve(request, for: exchange.caller) { reply in
            switch reply {
            case .stored: exchange.finish(Done(.cached, count: 0))
            case .whole(_, let provenance), .fixed(_, let provenance): exchange.finish(Done(warmed: provenance))
            case .live(let live, let provenance):
                do throws(Failure) {
                    for try await _ in live {}
                    exchange.finish(Done(warmed: provenance))
                } catch {
                    exchange.fail(FailedReply(error, hidesCredential: exchange.hidesCredential))
                }
            case .failed(let failure, _):
                exchange.fail(FailedReply(failure, hidesCredential: exchange.hidesCredential))
            }
        }
    }

    /// Stores what a client has, as if an upstream had answered so.
    func put(_ request: Request, _ form: Form, _ answer: [UInt8], _ ttl: Duration?, _ exchange: Exchange) async {
        let given = GivenAnswer(form: form, bytes: answer)
        switch await pipeline.put(request, from: given, form: form, ttlMax: ttl) {
        case .stored: exchange.finish(Done(.stored, count: 1))
        case .notStored(let reason):
            exchange.fail(
                FailedReply(
                    .notStorable,
                    ErrorReply(
                        status: 422, message: "the answer is not to be stored: \(reason.rawValue)",
                        type: "invalid_request_error", code: "not_storable")))
        case .failed(let failure):
            let reply = ErrorReply(failure, hidesCredential: false)
            exchange.fail(
                FailedReply(
                    .notStorable,
                    ErrorReply(
                        status: 422, message: "no answer that an upstream could have given (\(reply.status))",
                        type: "invalid_request_error", code: "not_storable")))
        }
    }

    func invalidate(_ request: Request, _ exchange: Exchange) async {
        let action = await pipeline.invalidate(request.key)
        exchange.finish(Done(.invalidated, count: UInt64(action.count)))
    }

    func invalidate(_ scopes: [Scope], _ exchange: Exchange) async {
        var count = 0
        for scope in scopes { count += await pipeline.invalidate(scope).count }
        exchange.finish(Done(.invalidated, count: UInt64(count)))
    }

    /// What is meant by a name. A connection may be several tenants, one for each way in which routes know callers.
    private func scopes(_ target: Invalidate.Target, _ name: String, _ authorization: Secret?) -> [Scope] {
        let routes = currentSettings.routes
        switch target {
        case .body: return []
        case .namespace: return routes.tenants(authorization: authorization).map { .namespace(name, of: $0) }
        case .model: return [.model(name)]
        case .tenant:
            return name.isEmpty
                ? routes.tenants(authorization: authorization).map { .tenant($0) } : [.tenant(.listener(name))]
        }
    }
}

extension Done {
    /// What came of warming with an answer that was made now, or is being made for somebody.
    fileprivate init(warmed provenance: Provenance) {
        // Something else that was served in its place is not what was to be warmed.
        let isStored = provenance.stored == true && provenance.step == nil
        self.init(isStored ? .stored : .notStored, count: isStored ? 1 : 0)
    }
}

extension Served {
    fileprivate static func served(_ job: Handover.Job) -> Served {
        .serve(job, hidesCredential: true, timeout: nil, streams: false)
    }
}
