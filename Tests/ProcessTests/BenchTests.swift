import Foundation
import FoundationXML
import Testing

extension RealProcesses {
    /// `samovar bench` against a running sidecar.
    @Suite("bench")
    struct Bench {
        private struct Run {
            let status: Int32
            let output: String
            let errors: String
            var report: JSON { JSON(output) }
            var errorLines: Int { errors.split(separator: "\n").count }
        }

        /// To its end.
        private func run(_ words: String...) throws -> Run { try end(of: try start(words)) }

        private func start(_ words: [String]) throws -> ChildProcess {
            try ChildProcess(Program.built("samovar"), ["bench", "--warmup", "0"] + words)
        }

        private func end(of process: ChildProcess) throws -> Run {
            guard case .exited(let status)? = process.ends() else {
                throw HarnessError.notReady("the end of a bench", output: process.errors)
            }
            return Run(status: status, output: process.output, errors: process.errors)
        }

        enum Port: String, CaseIterable {
            case http, httpUnix, binary, binaryUnix

            var front: String { self == .http || self == .httpUnix ? "http" : "binary" }
            var isUnix: Bool { self == .httpUnix || self == .binaryUnix }

            func address(of sidecar: Sidecar) -> String {
                front == "http" ? "\(sidecar.http)" : "\(sidecar.binary)"
            }
        }

        @Test("fills once, then every request is a verified hit, on every port", arguments: Port.allCases)
        func hits(port: Port) throws {
            let folder = try TemporaryFolder()
            let scene = try Scene {
                if port.isUnix { $0.listen[port.front] = "unix:\(folder.file("s.sock"))" }
            }

            let run = try run(
                "--\(port.front)", port.address(of: scene.sidecar), "--keys", "20", "--connections", "5", "--pipeline",
                "3", "--threads", "2", "--streams", "0.5", "--duration", "0.5", "--json", "--pid",
                "\(scene.sidecar.process.processID)")
            let report = run.report
            let verified = report["verified"].int ?? 0

            #expect(run.status == 0, "\(run.errors)")
            #expect(run.errors == "")
            #expect(report["front"].string == port.front)
            #expect(verified > 0)
            #expect(report["requests"].int == verified)
            #expect(report["failed"].int == 0)
            #expect(report["results"]["hit"].int == verified)
            #expect(report["warm_up"]["asked"].int == 20 && report["warm_up"]["verified"].int == 20)
            #expect(try scene.calls == 20)
            #expect(try scene.sidecar.stats()["requests"]["l1_hit"].int ?? 0 >= verified)
            #expect(report["latency_us"]["p50"].int ?? 0 > 0)
            #expect(report["cpu"]["name"].string == "samovar")
            #expect(report["cpu"]["us_per_request"].exists && !report["cpu"]["us_per_request"].isNull)
            #expect(report["series"].elements.compactMap { $0["hits"].int }.reduce(0, +) == verified)
        }

        @Test("with a rate asks exactly what was planned", arguments: ["constant", "poisson"])
        func planned(arrivals: String) throws {
            let scene = try Scene()
            let words = [
                "--binary", "\(scene.sidecar.binary)", "--keys", "3", "--rate", "300", "--arrivals", arrivals,
                "--duration", "1", "--json",
            ]
            let (first, second) = (try end(of: try start(words)), try end(of: try start(words)))
            let count = first.report["requests"].int ?? 0

            #expect(first.status == 0 && first.report["failed"].int == 0)
            #expect(arrivals == "constant" ? count == 300 : (200...400).contains(count))
            #expect(second.report["requests"].int == count)
            #expect(first.report["send_lag_us"]["p50"].exists)
            #expect(first.report["settings"]["arrivals"].string == arrivals)
        }

        @Test("with a rate that is too high lets requests wait on the plan's time, and drops beyond the backlog")
        func backlog() throws {
            let scene = try Scene("--json-ms", "100")
            let run = try run(
                "--http", "\(scene.sidecar.http)", "--distribution", "unique", "--connections", "1", "--rate", "200",
                "--duration", "0.5", "--backlog", "5", "--json")
            let report = run.report

            #expect(run.status == 0)
            #expect(report["requests"].int == 100)
            #expect(report["results"]["miss"].int == report["verified"].int)
            #expect(report["errors"]["dropped"].int ?? 0 > 0)
            #expect(report["errors"]["dropped"].int == report["failed"].int)
            // Those that waited behind others have waited for these to be answered.
            #expect(report["latency_us"]["max"].int ?? 0 >= 2 * 100_000)
        }

        @Test("by digest sends a body once for each key, and then digests only")
        func digest() throws {
            let scene = try Scene()
            let words = [
                "--binary", "\(scene.sidecar.binary)", "--keys", "7", "--digest", "--duration", "0.3", "--json",
            ]
            let unfilled = try end(of: try start(words + ["--no-fill", "--distribution", "sequential"]))
            let filled = try end(of: try start(words))

            #expect(unfilled.report["bodies_needed"].int ?? 0 >= 7)
            #expect(unfilled.report["failed"].int == 0)
            #expect(unfilled.report["warm_up"]["asked"].int == 0)
            #expect(filled.report["bodies_needed"].int == 0)
            #expect(filled.report["results"]["hit"].int == filled.report["verified"].int)
            #expect(try scene.calls == 7)
        }

        @Test("asks the bodies of a file as they are, each in its form and of its kind", arguments: ["http", "binary"])
        func bodies(front: String) throws {
            let scene = try Scene()
            let folder = try TemporaryFolder()
            let lines = [
                Chat("one").body, Chat("two", stream: true).body, "", #"{"model":"standin","input":"three"}"#,
                #"{"model":"standin","prompt":"four"}"#,
            ]
            let file = try folder.write("bodies.jsonl", lines.joined(separator: "\n"))
            let run = try run(
                "--\(front)", front == "http" ? "\(scene.sidecar.http)" : "\(scene.sidecar.binary)", "--body", file,
                "--distribution", "uniform", "--duration", "0.3", "--json")

            #expect(run.status == 0, "\(run.errors)")
            #expect(run.report["warm_up"]["verified"].int == 4)
            #expect(run.report["failed"].int == 0)
            #expect(run.report["results"]["hit"].int == run.report["verified"].int)
            #expect(try scene.calls == 4)
        }

        @Test("writes a page that is well-formed, and a table with the same figures")
        func page() throws {
            let scene = try Scene()
            let folder = try TemporaryFolder()
            let file = folder.file("report.html")
            let run = try run(
                "--http", "\(scene.sidecar.http)", "--keys", "5", "--duration", "0.3", "--html", file)
            let page = folder.read("report.html")
            let line = run.output.split(separator: "\n").first { $0.hasPrefix("requests") }

            #expect(run.status == 0)
            #expect(XMLParser(data: Data(page.utf8)).parse())
            #expect(page.contains("\(scene.sidecar.http)") && page.contains("<svg"))
            // A run that comes to nothing leaves the page of the one before.
            let failed = try self.run("--http", "127.0.0.1:1", "--html", file)
            #expect(failed.status == 1 && folder.read("report.html") == page)
            #expect(line.map { page.contains($0.dropFirst(12)) } == true)
        }

        @Test(
            "counts what the sidecar refuses by what it says, and fails when no reply was right",
            arguments: ["http", "binary"])
        func refused(front: String) throws {
            // Nothing holds back what the provider does not want.
            let scene = try Scene("--status", "429") { $0.admission = ["enabled": "false"] }
            let server = ["--\(front)", front == "http" ? "\(scene.sidecar.http)" : "\(scene.sidecar.binary)"]
            let load = try end(of: try start(server + ["--no-fill", "--duration", "0.3", "--json"]))
            let fill = try end(of: try start(server + ["--duration", "0.3"]))

            #expect(load.status == 1 && load.errorLines == 1)
            #expect(load.errors.contains("no reply was right: 429"))
            #expect(load.report["errors"]["status"].int == load.report["requests"].int)
            #expect(load.report["error_details"].members.keys.allSatisfy { $0.hasPrefix("429") })
            #expect(fill.status == 1 && fill.errorLines == 1)
            #expect(fill.errors.contains("fill failed in a row, the last: 429"))
        }

        @Test("connects anew where a server closes after each reply")
        func closing() throws {
            let scene = try Scene()
            // The binary port tells HTTP that it is in the wrong place, and closes.
            let run = try run(
                "--http", "\(scene.sidecar.binary)", "--no-fill", "--connections", "2", "--duration", "0.5", "--json")

            #expect(run.status == 1 && run.errors.contains("no reply was right: 400"))
            #expect(run.report["requests"].int ?? 0 > 4)
            #expect(run.report["errors"]["status"].int == run.report["requests"].int)
        }

        @Test("says that the sidecar takes no more connections")
        func connectionsMax() throws {
            let scene = try Scene { $0.limits["connections_max"] = "20" }
            let run = try run("--binary", "\(scene.sidecar.binary)", "--connections", "30")

            #expect(run.status == 1 && run.errorLines == 1)
            #expect(run.errors.contains("cannot connect: 503 connections_max"), "\(run.errors)")
        }

        @Test("counts as a timeout what has no end in time", arguments: ["http", "binary"])
        func timeouts(front: String) throws {
            let scene = try Scene("--json-ms", "20000")
            let run = try run(
                "--\(front)", front == "http" ? "\(scene.sidecar.http)" : "\(scene.sidecar.binary)", "--distribution",
                "unique", "--connections", "3", "--timeout", "0.3", "--duration", "0.5", "--json")

            #expect(run.status == 1)
            #expect(run.report["errors"]["timeout"].int ?? 0 >= 3)
            #expect(run.report["errors"]["timeout"].int == run.report["requests"].int)
        }

        @Test("goes on when the sidecar dies, and says what failed since", arguments: ["http", "binary"])
        func dies(front: String) throws {
            let scene = try Scene()
            let process = try start([
                "--\(front)", front == "http" ? "\(scene.sidecar.http)" : "\(scene.sidecar.binary)", "--keys", "2",
                "--duration", "3", "--json", "--pid", "\(scene.sidecar.process.processID)",
            ])
            #expect(eventually { (try? scene.sidecar.stats()["requests"]["l1_hit"].int ?? 0) ?? 0 > 50 })
            scene.sidecar.process.kill()
            let run = try end(of: process)

            #expect(run.status == 0, "\(run.errors)")
            #expect(run.report["verified"].int ?? 0 > 0)
            #expect(run.report["errors"]["refused"].int ?? 0 > 0)
            #expect(run.report["cpu"]["us_per_request"].isNull)
            #expect(run.report["seconds"].int == 3)
        }

        @Test("ends when it is interrupted, and prints what was measured so far", arguments: [SIGINT, SIGTERM])
        func interrupted(signal: Int32) throws {
            let scene = try Scene()
            let process = try start(["--http", "\(scene.sidecar.http)", "--keys", "2", "--duration", "600", "--json"])
            #expect(eventually { (try? scene.sidecar.stats()["requests"]["l1_hit"].int ?? 0) ?? 0 > 50 })
            process.send(signal)
            let run = try end(of: process)

            #expect(run.status == 0)
            #expect(run.report["interrupted"].string == nil && run.output.contains("\"interrupted\":true"))
            #expect(run.report["verified"].int ?? 0 > 0)
            #expect(run.report["failed"].int == 0)
            #expect(run.report["seconds"].int ?? 600 < 600)
        }

        @Test("says in one line what is wrong, and asks nothing")
        func wrong() throws {
            let scene = try Scene()
            let http = "\(scene.sidecar.http)"
            let complaints: [([String], String)] = [
                (["--http", "127.0.0.1:1"], "no sidecar answers at 127.0.0.1:1"),
                (["--binary", "unix:/nowhere/at.all"], "no sidecar answers at unix:/nowhere/at.all"),
                (["--binary", http], "no binary port of a sidecar"),
                (["--http", "192.0.2.1:80"], "--allow-remote"),
                (["--http", "nonsense"], "host:port"),
                (["--http", http, "--pid", "2147483647"], "no process has the pid 2147483647"),
                (["--http", http, "--api-key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
                (["--http", http, "--body", "/nowhere/at.all"], "/nowhere/at.all"),
                (["--http", http, "--html", "/nowhere/at.all"], "/nowhere/at.all"),
            ]
            for (words, complaint) in complaints {
                let run = try end(of: try start(words))
                #expect(run.status == 1 && run.errorLines == 1, "\(words): \(run.errors)")
                #expect(run.errors.contains(complaint), "\(words): \(run.errors)")
                #expect(run.output == "")
            }
            #expect(try scene.calls == 0)
        }

        @Test(
            "refuses options that are out of range, or that exclude each other, by their names",
            arguments: [
                (["--connections", "0"], "--connections takes 1 to 4096"),
                (["--pipeline", "257"], "--pipeline takes 1 to 256"), (["--threads", "65"], "--threads"),
                (["--duration", "0"], "--duration"), (["--duration", "nan"], "--duration"),
                (["--timeout", "0"], "--timeout"), (["--rate", "0"], "--rate"), (["--keys", "0"], "--keys"),
                (["--size", "33"], "--size takes 34"), (["--streams", "1.1"], "--streams"),
                (["--backlog", "0"], "--backlog"), (["--pid", "0"], "--pid"),
                (["--distribution", "normal"], "--distribution"), (["--arrivals", "poisson"], "needs --rate"),
                (["--rate", "5", "--arrivals", "bursty"], "constant or poisson"),
                (["--digest"], "--digest needs --binary"),
                (["--http", "127.0.0.1:1", "--binary", "127.0.0.1:1"], "exclude each other"),
                (["--distribution", "unique", "--keys", "5"], "unique excludes"),
                (["--body", "f", "--streams", "0.5"], "--body excludes"),
            ])
        func ranges(words: [String], complaint: String) throws {
            let run = try end(of: try start(words))
            #expect(run.status == 64)
            #expect(run.errors.contains(complaint), "\(run.errors)")
        }
    }
}
