import Glibc
import Testing

extension RealProcesses {
    /// What the process may do beyond what any user may: nothing.
    @Suite("privileges")
    struct Privileges {
        /// Where the tests are not root's, every other test shows it as well.
        private static var launcher: [String] {
            guard geteuid() == 0, let setpriv = Program.installed("setpriv") else { return [] }
            return [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        }

        @Test("it serves without any privilege")
        func none() throws {
            let provider = try Provider()
            let sidecar = try Sidecar(SidecarSettings(upstream: provider.url), under: Self.launcher)
            let chat = Chat("who am I?")

            #expect(Verifier().complaint(try sidecar.ask(chat), to: chat) == nil)
            #expect(try sidecar.page("/readyz").status == 200)
        }
    }
}
