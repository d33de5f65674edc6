import NIOCore
import NIOPosix
import SamovarCore
import SamovarWire

/// A client of a Samovar sidecar: asks over the binary protocol, many at once on one connection.
///
/// Share one among all tasks of the process. It connects when it is first asked, keeps the connection alive, and
/// connects anew when it is lost or the sidecar leaves. A task that is cancelled, or that leaves a stream early, ends
/// its own request and nobody else's.
///
/// ```swift
/// let client = try SamovarClient(address: "127.0.0.1:7601")
/// let body = Array(#"{"model":"deepseek-chat","messages":[{"role":"user","content":"Hello"}]}"#.utf8)
///
/// let answer = try await client.ask(body)
/// print(answer.result, answer.text)         // miss, and the second time l1Hit
///
/// for try await event in try await client.stream(body) { print(String(decoding: event, as: UTF8.self)) }
/// await client.close()
/// ```
///
/// Everything it holds is bounded by ``Settings``. All work but hashing and reading happens on one event loop.
public final class SamovarClient: Sendable {
    let driver: ClientDriver
    let settings: Settings

    /// Prepares a client; nothing is connected yet.
    ///
    /// - Parameters:
    ///   - address: where `listen.binary` of the sidecar is: `127.0.0.1:7601`, `[::1]:7601` or `unix:/path`.
    ///   - group: of which one event loop is used. It must outlive the client.
    /// - Throws: ``Failure`` with `malformed`: no such address, or a credential that cannot be a header's value.
    public convenience init(
        address: String, settings: Settings = Settings(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(Failure) {
        try self.init(address: try Address(address), settings: settings, group: group)
    }

    /// The same, with an address that was read before.
    public init(
        address: Address, settings: Settings = Settings(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(Failure) {
        self.settings = settings
        driver = ClientDriver(
            address: address, settings: settings, hello: try settings.hello(), loop: group.next())
    }

    deinit { driver.leave(nil) }

    /// Ends all requests with `closed`, closes the connection, and returns when it is closed. Idempotent.
    ///
    /// A client that is dropped without it does the same, in its own time; whoever reads a stream still holds it.
    public func close() async { await driver.close() }
}
