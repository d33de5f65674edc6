extension Request {
    /// What of an embeddings request can be asked for together with others'.
    public struct Embedding: Sendable {
        public let body: CanonicalBody
        public let input: EmbeddingInput
        public let kin: EmbeddingBoard.Kin
        public let size: EmbeddingBatch.Size
        public let limits: EmbeddingBatch.Limits
    }

    /// Nil: it is asked for alone, as its route, its sharing or its inputs want it. O(body).
    public var embedding: Embedding? {
        guard kind == .embeddings, let limits = route.batch, let body, let input = EmbeddingInput(of: body) else {
            return nil
        }
        if case .alone = sharing { return nil }
        let kin = EmbeddingBoard.Kin(
            route: route, tenant: tenant, authorization: authorization, headers: headers, rest: input.rest)
        let size = EmbeddingBatch.Size(textSize: input.text.count, restSize: body.bytes.count - input.value.count)
        return Embedding(body: body, input: input, kin: kin, size: size, limits: limits)
    }

    /// One request for all of them: the first, asking with this body, on no board, for as long as any of them waits.
    ///
    /// - Precondition: they are kin, and there is one.
    /// - Throws: what is wrong with the body.
    public static func together(
        _ requests: [Request], requestClass: RequestClass, body: [UInt8]
    ) throws(BodyError) -> Request {
        var one = requests[0]
        one.body = try CanonicalBody(body)
        one.sharing = .alone(.noStore)
        one.requestClass = requestClass
        one.inputCount = requests.count
        let timeouts = requests.compactMap(\.timeout)
        one.timeout = timeouts.count == requests.count ? timeouts.max() : nil
        return one
    }
}
