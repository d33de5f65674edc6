@testable import SamovarStoreRedis

/// Looks again and again until it is so. Between, others get the processor: what is waited for happens in processes.
func until(_ condition: () async throws -> Bool) async throws {
    while !(try await condition()) { try await Task.sleep(for: .milliseconds(10)) }
}

/// Starts something on ports that were free a moment ago. They may be taken by now: then it is tried again, on others.
func onFreePorts<Value>(_ start: () throws -> Value) throws -> Value {
    for _ in 0..<9 {
        if let started = try? start() { return started }
    }
    return try start()
}

extension Admin {
    /// The reply as text, of a bulk or a status.
    func text(_ words: String...) async -> String {
        switch await bytes(words.map { Array($0.utf8) }) {
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .status(let text): text
        default: ""
        }
    }
}
