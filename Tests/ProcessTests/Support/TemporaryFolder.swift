import Foundation

/// A folder of its own, removed with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/samovar-process-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw HarnessError.system("mkdtemp", errno) }
        path = String(cString: made)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: file(name), atomically: true, encoding: .utf8)
        return file(name)
    }

    func read(_ name: String) -> String {
        FileManager.default.contents(atPath: file(name)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// What the tests themselves could not do.
enum HarnessError: Error, CustomStringConvertible {
    case system(String, Int32)
    case notBuilt(String)
    case notReady(String, output: String)
    case noReply(String)
    case odd(String)

    var description: String {
        switch self {
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        case .notBuilt(let program): "\(program) is not built; SAMOVAR_BIN_DIR names the folder that holds it"
        case .notReady(let program, let output): "\(program) did not become ready: \(output)"
        case .noReply(let what): "no reply: \(what)"
        case .odd(let what): what
        }
    }
}
