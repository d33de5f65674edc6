import ArgumentParser
import Foundation
import SamovarCore
import SamovarWire

/// `samovar explain`: why two requests are the same, or are not.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a request's canonical form and key, and why two requests differ.",
        discussion: """
            Needs no running sidecar. The route, and so the members that are left out, comes from --config. With two \
            requests it exits 0 when they are the same, 1 when they are not.

            Example:
              samovar explain a.json
              samovar explain a.json b.json --config samovar.yaml
            """)

    @Argument(help: "One or two files, each with a request body; - is standard input.")
    var files: [String]

    @Option(name: .shortAndLong, help: "The configuration file.")
    var config: String?

    @Option(help: "Which call the bodies are for: chat, completions, embeddings.")
    var kind: String?

    @Option(help: "The environment variable with the caller's API key, where callers bring their own.")
    var apiKeyEnv: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...2).contains(files.count) else { throw ValidationError("explain takes one or two files") }
        guard kind == nil || APIKind(rawValue: kind ?? "") != nil else {
            throw ValidationError("--kind takes chat, completions or embeddings")
        }
    }

    func run() async throws {
        let routes = try ConfigurationFile(path: config).read(Environment.all).configuration.routeTable
        let authorization = try SidecarClient.authorization(env: apiKeyEnv)
        let explained = try files.map {
            try Explained(file: $0, kind: kind, routes: routes, authorization: authorization)
        }
        let differences =
            explained.count == 2
            ? try JSONDifference.between(explained[0].canonical, explained[1].canonical) : []
        json ? printJSON(explained, differences) : printText(explained, differences)
        if explained.count == 2, explained[0].request.key != explained[1].request.key { throw ExitCode(1) }
    }

    private func printText(_ explained: [Explained], _ differences: [JSONDifference]) {
        for one in explained {
            print("\(one.file)")
            print("  kind       \(one.request.kind.rawValue)")
            print("  route      \(one.request.route.name)")
            print("  tenant     \(one.request.tenant.label)")
            print("  left out   \(one.leftOut.isEmpty ? "nothing" : one.leftOut.joined(separator: ", "))")
            print("  canonical  \(String(decoding: one.canonical, as: UTF8.self))")
            print("  key        \(one.request.key.hexadecimal)")
        }
        guard explained.count == 2 else { return }
        if explained[0].request.key == explained[1].request.key { return print("the same request") }
        print("not the same request:")
        for difference in differences {
            print("  \(difference.path): \(difference.left ?? "(absent)") | \(difference.right ?? "(absent)")")
        }
        for reason in otherReasons(explained) { print("  \(reason)") }
    }

    /// What makes the keys differ beside the bodies.
    private func otherReasons(_ explained: [Explained]) -> [String] {
        let (left, right) = (explained[0].request, explained[1].request)
        var reasons: [String] = []
        if left.kind != right.kind { reasons.append("kind: \(left.kind.rawValue) | \(right.kind.rawValue)") }
        if left.route.name != right.route.name { reasons.append("route: \(left.route.name) | \(right.route.name)") }
        if left.controls.namespace != right.controls.namespace {
            reasons.append("cache.namespace: \(left.controls.namespace) | \(right.controls.namespace)")
        }
        return reasons
    }

    private func printJSON(_ explained: [Explained], _ differences: [JSONDifference]) {
        let requests = explained.map { one in
            "{\"file\":\(JSONLog.quoted(one.file)),\"kind\":\"\(one.request.kind.rawValue)\","
                + "\"route\":\(JSONLog.quoted(one.request.route.name)),\"tenant\":\(JSONLog.quoted(one.request.tenant.label)),"
                + "\"canonical\":\(JSONLog.quoted(String(decoding: one.canonical, as: UTF8.self))),"
                + "\"key\":\"\(one.request.key.hexadecimal)\"}"
        }
        let places = differences.map { difference in
            "{\"path\":\(JSONLog.quoted(difference.path)),\"left\":\(difference.left.map(JSONLog.quoted) ?? "null"),"
                + "\"right\":\(difference.right.map(JSONLog.quoted) ?? "null")}"
        }
        var members = ["\"requests\":[\(requests.joined(separator: ","))]"]
        if explained.count == 2 {
            members.append("\"same\":\(explained[0].request.key == explained[1].request.key)")
            members.append("\"differences\":[\(places.joined(separator: ","))]")
        }
        print("{\(members.joined(separator: ","))}")
    }
}

/// One request, understood as the sidecar would.
private struct Explained {
    let file: String
    let request: Request
    let canonical: [UInt8]
    let leftOut: [String]

    init(file: String, kind: String?, routes: RouteTable, authorization: Secret?) throws {
        self.file = file
        let bytes = try BodyFile(file).bytes()
        do {
            let body = try CanonicalBody(bytes)
            let kind = kind.flatMap(APIKind.init(rawValue:)) ?? APIKind(guessedFrom: body)
            var arrival = Request.Arrival(kind: kind, body: bytes)
            arrival.authorization = authorization
            request = try Request(arrival, routes: routes)
            canonical = body.canonicalText(ignoring: request.route.ignored)
            let ignored = request.route.ignored
            leftOut = body.members.map(\.name).filter { CanonicalBody.isLeftOut($0) || ignored.contains($0) }
        } catch let error as BodyError {
            throw CommandFailure("\(file): \(error.message)")
        } catch let error as RequestError {
            throw CommandFailure("\(file): \(ErrorReplyText.message(of: error))")
        }
    }
}

/// What is wrong with a request, in words.
enum ErrorReplyText {
    static func message(of error: RequestError) -> String {
        switch error {
        case .body(let error): error.message
        case .noRoute: "no route matches its path and model"
        }
    }
}

/// A file named on the command line.
struct BodyFile {
    let path: String

    init(_ path: String) { self.path = path }

    func bytes() throws -> [UInt8] {
        if path == "-" { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("\(path): cannot be read")
        }
        return Array(data)
    }
}

extension APIKind {
    /// The call that a body is for, by the one member that each of them needs.
    init(guessedFrom body: CanonicalBody) {
        if body["messages"] != nil {
            self = .chat
        } else {
            self = body["input"] != nil ? .embeddings : .completions
        }
    }
}
