import SamovarCore

/// Who may speak on a connection, and who this peer is.
struct Guarding: Sendable {
    /// What it must show; nil: nothing.
    var accessToken: Secret?
    /// Nil where nobody asks: Unix sockets, and ports that only this machine reaches.
    var peerAddress: String?

    func admits(_ shown: Secret?) -> Bool {
        guard let accessToken else { return true }
        return shown?.isSame(as: accessToken) == true
    }
}
