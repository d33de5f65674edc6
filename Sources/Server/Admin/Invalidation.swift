import SamovarCore
import SamovarEngine
import SamovarWire

/// What an operator asks to be made unusable, as the admin port reads it: one JSON object with exactly one of
///
///     {"body": {…}, "kind": "chat"}      one request; kind: chat (if not said), completions, embeddings or models
///     {"key": "<64 hex digits>"}         one request, by its key, as `samovar explain` prints it
///     {"namespace": "n", "tenant": "t"}  tenant: a listener's; if not said: of callers without a credential of their own
///     {"model": "m"}                     as it stands in requests, for all tenants
///     {"tenant": "t"}                    a listener's
enum Invalidation: Sendable {
    case request(Request.Arrival)
    case key(RequestKey)
    case namespace(String, tenant: String?)
    case model(String)
    case tenant(String)

    static let nameSizeMax = 512

    /// - Throws: what is wrong with it, for a person.
    init(_ bytes: [UInt8]) throws(InvalidationError) {
        let value: JSONValue
        do throws(BodyError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw InvalidationError(error.message)
        }
        guard case .object(let members) = value else { throw InvalidationError("expected a JSON object") }
        let names = Set(members.map { String(decoding: $0.name, as: UTF8.self) })
        guard names.count == members.count else { throw InvalidationError("a member is there twice") }
        switch names {
        case ["body"], ["body", "kind"]: self = .request(try Self.arrival(value))
        case ["key"]: self = .key(try Self.key(value["key"]?.text))
        case ["namespace"]: self = .namespace(try Self.name("namespace", value["namespace"]), tenant: nil)
        case ["namespace", "tenant"]:
            self = .namespace(
                try Self.name("namespace", value["namespace"]), tenant: try Self.name("tenant", value["tenant"]))
        case ["model"]: self = .model(try Self.name("model", value["model"]))
        case ["tenant"]: self = .tenant(try Self.name("tenant", value["tenant"]))
        default:
            throw InvalidationError(
                "expected one of body (with kind), key, namespace (with tenant), model or tenant, and nothing else")
        }
    }

    private static func arrival(_ value: JSONValue) throws(InvalidationError) -> Request.Arrival {
        let kind: APIKind
        if let named = value["kind"] {
            guard let known = named.text.flatMap(APIKind.init(rawValue:)) else {
                throw InvalidationError("kind is chat, completions, embeddings or models")
            }
            kind = known
        } else {
            kind = .chat
        }
        guard let body = value["body"], kind == .models || !body.members.isEmpty else {
            throw InvalidationError("body is the request's own JSON object")
        }
        var bytes: [UInt8] = []
        body.append(to: &bytes)
        return Request.Arrival(kind: kind, body: kind == .models ? nil : bytes)
    }

    private static func key(_ text: String?) throws(InvalidationError) -> RequestKey {
        guard let text, text.utf8.count == 2 * RequestKey.byteCount else {
            throw InvalidationError("key is 64 hex digits")
        }
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text {
            guard character.isASCII, let digit = character.hexDigitValue.map(UInt8.init) else {
                throw InvalidationError("key is 64 hex digits")
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return RequestKey(bytes: bytes)
    }

    private static func name(_ member: String, _ value: JSONValue?) throws(InvalidationError) -> String {
        guard let name = value?.text, (1...nameSizeMax).contains(name.utf8.count) else {
            throw InvalidationError("\(member) is a string of 1 to \(nameSizeMax) bytes")
        }
        return name
    }
}

struct InvalidationError: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

extension AdminSource {
    /// Makes it unusable here, and tells the other pods.
    func invalidate(_ invalidation: Invalidation) async throws(InvalidationError) -> Pipeline.InvalidateAction {
        let routes = routes()
        switch invalidation {
        case .request(let arrival):
            do throws(RequestError) {
                return await pipeline.invalidate(try Request(arrival, routes: routes).key)
            } catch {
                switch error {
                case .body(let error): throw InvalidationError("body: \(error.message)")
                case .noRoute: throw InvalidationError("no route matches the body's kind and model")
                }
            }
        case .key(let key): return await pipeline.invalidate(key)
        case .namespace(let name, let tenant):
            let tenants = tenant.map { [Tenant.listener($0)] } ?? routes.tenants(authorization: nil)
            var (count, isShared) = (0, true)
            for tenant in tenants {
                let action = await pipeline.invalidate(.namespace(name, of: tenant))
                count += action.count
                isShared = isShared && action.isShared
            }
            return Pipeline.InvalidateAction(count: count, isShared: isShared)
        case .model(let name): return await pipeline.invalidate(.model(name))
        case .tenant(let name): return await pipeline.invalidate(.tenant(.listener(name)))
        }
    }
}
