/// A provider and a sidecar before it.
struct Scene {
    let provider: Provider
    let sidecar: Sidecar

    /// - Parameter flags: of the provider.
    init(_ flags: String..., change: (inout SidecarSettings) -> Void = { _ in }) throws {
        provider = try Provider(flags)
        sidecar = try Sidecar(upstream: provider.url, change)
    }

    func ask(_ chat: Chat, _ headers: String..., path: String = "/v1/chat/completions") throws -> HTTPReply {
        try sidecar.ask(chat, headers: headers, path: path)
    }

    var calls: Int { get throws { try provider.counts().calls } }
}
