/// How the provider behaves. All of it can be changed while it runs; zero, nil and false mean "off".
struct Settings: Equatable, Sendable {
    // How fast.
    var firstTokenMs = 0
    var tokenMs = 0
    var jsonMs: Int?
    var silentMs = 0
    var keepAliveMs = 1_000

    // What.
    var tokens: Int?
    var markAttempts = false
    var endless = false
    var obfuscation = false
    var crlf = false
    var noDone = false

    // How much.
    var capacityPerSecond = 0.0
    var capacityBurst: Int?
    var concurrentMax = 0

    // What goes wrong.
    var seed = 1
    var errorRate = 0.0
    var errorStatus = 500
    var status: Int?
    var retryAfter: Int?
    var cutAfterTokens: Int?
    var errorAfterTokens: Int?
    var errorUnder200 = false
    var refuseStream = false
    var refuseStreamOptions = false
    var refuseInput: Int?
    var refuseInputText: String?
    var swapInputs = false
    var contentType: String?
    var bodyOverride: String?
    var gzipBomb = false
    var redirectTo: String?

    /// All of them or, when one is refused, none.
    mutating func apply(_ changes: [JSON.Member]) throws(SettingRefusal) {
        var changed = self
        for change in changes {
            guard let setting = Setting.all.first(where: { $0.name == change.name }) else {
                throw .unknown(name: change.name)
            }
            guard setting.write(&changed, change.value) else {
                throw .outOfRange(name: setting.name, range: setting.range)
            }
        }
        self = changed
    }

    var json: JSON {
        .object(Setting.all.map { JSON.Member(name: $0.name, value: $0.read(self)) })
    }
}

/// Why a change of settings was not made.
enum SettingRefusal: Error, Equatable {
    case unknown(name: String)
    case outOfRange(name: String, range: String)
}
