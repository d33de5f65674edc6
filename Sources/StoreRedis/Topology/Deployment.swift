import NIOSSL
import SamovarCore

/// How Redis is set up where we are, as far as an operator has told us, checked.
struct Deployment: Sendable {
    enum Kind: Hashable, Sendable {
        case single(Endpoint.Address)
        /// Sentinels know which server is the primary.
        case sentinel([Endpoint.Address], SentinelWords)
        /// Any node knows which primary keeps which slot.
        case cluster([Endpoint.Address])
    }

    let kind: Kind
    let tls: NIOSSLContext?
    let connectTimeout: Duration
    /// To servers that keep data.
    let greeting: Greeting
    let sentinelGreeting: Greeting
    let pipelineDepthMax: Int
    let replySizeMax: Int
    let reusesAfterTimeout: Bool

    /// The servers that are named in the URL, sentinels among them.
    var seeds: [Endpoint.Address] {
        switch kind {
        case .single(let address): [address]
        case .sentinel(let addresses, _), .cluster(let addresses): addresses
        }
    }

    /// A connection to a server that keeps data.
    ///
    /// - Parameter address: asked anew for each connection.
    func line(to address: @escaping @Sendable () -> Endpoint.Address?) -> Line.Settings {
        line(to: address, greeting)
    }

    func line(toSentinel address: Endpoint.Address) -> Line.Settings {
        line(to: { address }, sentinelGreeting)
    }

    private func line(to address: @escaping @Sendable () -> Endpoint.Address?, _ greeting: Greeting) -> Line.Settings {
        Line.Settings(
            endpoint: Endpoint(address: address, tls: tls, connectTimeout: connectTimeout), greeting: greeting,
            pipelineDepthMax: pipelineDepthMax, replySizeMax: replySizeMax, reusesAfterTimeout: reusesAfterTimeout)
    }
}
