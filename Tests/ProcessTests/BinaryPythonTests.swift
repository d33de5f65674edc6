import Foundation
import Testing

extension RealProcesses {
    /// The other client, which shares no line with this one.
    @Suite("the Python client", .enabled(if: Program.installed("python3") != nil, "python3 is not installed"))
    struct BinaryPythonTests {
        private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        private static let tools = tests.appendingPathComponent("../../tools/python").standardizedFileURL.path

        private func run(_ arguments: [String], within length: Duration = .seconds(60)) throws -> String {
            let process = try ChildProcess(Program.installed("python3") ?? "", arguments)
            let ending = process.ends(within: length)
            return (ending == .exited(0) ? "" : "\(String(describing: ending))\n") + process.output + process.errors
        }

        @Test(
            "is served in all that it can ask", arguments: BinaryPort.all,
            [
                "ask", "digest_first", "stream", "events", "cancel", "administer", "without_token", "controls",
                "concurrent",
            ])
        func operations(port: BinaryPort, name: String) throws {
            let scene = try BinaryScene(port, name == "cancel" ? "--first-token-ms" : "--tokens", "200")
            let script = Self.tests.appendingPathComponent("binary_client.py").path

            let said = try run([script, Self.tools, name, scene.address.description, BinaryScene.adminToken])

            #expect(said == "ok\n")
        }

        @Test("keeps callers with different Authorization apart", arguments: BinaryPort.overTCP)
        func tenants(port: BinaryPort) throws {
            let scene = try BinaryScene(port)
            let script = Self.tests.appendingPathComponent("binary_client.py").path

            let said = try run([script, Self.tools, "tenants", scene.address.description, BinaryScene.adminToken])

            #expect(said == "ok\n")
            #expect(try scene.calls == 2)
        }

        @Test("passes its own tests")
        func ownTests() throws {
            let said = try run(
                ["-m", "unittest", "discover", "-s", "\(Self.tools)/tests", "-t", "\(Self.tools)/tests"],
                within: .seconds(120))
            #expect(said.contains("\nOK"))
        }
    }
}
