extension Request {
    /// An arrival whose body was read before: nothing of it is read again. O(1).
    ///
    /// Its body may be missing, where it is asked for by its digest: then it can be looked up, and must not be flown. A
    /// body that is there must be the one whose digest was computed here.
    public init(_ arrival: Arrival, known entry: BodyMemo.Entry, routes: RouteTable) {
        kind = arrival.kind
        model = entry.model
        rule = entry.rule
        tenant = routes.tenant(for: entry.rule.route, authorization: arrival.authorization)
        body = arrival.body.map(CanonicalBody.init(checked:))
        headers = arrival.headers
        authorization = entry.rule.route.credential == .callers ? arrival.authorization : nil
        form = entry.form
        wantsUsage = entry.wantsUsage
        controls = arrival.controls.merged(with: entry.controls)
        timeout = arrival.timeout
        requestClass = entry.rule.route.requestClass.lowered(to: arrival.requestClass)
        showsTenant = arrival.showsTenant
        sharing = controls.noStore ? .alone(.noStore) : entry.sharing
        key = entry.key
    }
}
