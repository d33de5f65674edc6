import SamovarCore

/// A line of an access log of recorded requests: one JSON object.
///
///     {"time": 1761462000.25, "key": "9f2c…", "size": 4096, "generation_ms": 3200,
///      "model": "deepseek-chat", "prompt_tokens": 120, "completion_tokens": 380, "tenant": "default"}
///
/// | member | what it is |
/// |---|---|
/// | `time` | when it came, in seconds from any origin; fractions count |
/// | `key` | any text that is equal for equal requests |
/// | `request` | in place of `key`: the body, as an object or as text; equal as the sidecar's own key has it |
/// | `size` | of the answer, in bytes |
/// | `response` | in place of `size`: the answer, as text or as JSON, whose length counts |
/// | `generation_ms` | how long the answer took to make |
/// | `model` | whose price it has; with `request`, what that says |
/// | `prompt_tokens`, `completion_tokens` | what the answer used |
/// | `tenant` | tenants share nothing; part of what makes requests equal |
///
/// Only `key` or `request` is needed. Other members are passed over.
enum TraceLogLine {
    /// Why a line is none; carries nothing of it.
    struct Fault: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    /// The answer's size where a line says nothing.
    static let sizeDefault = 2_048

    static func request(_ line: [UInt8]) throws(Fault) -> TraceRequest {
        let value: JSONValue
        do throws(BodyError) {
            value = try JSONValue(parsing: line)
        } catch {
            throw Fault("is not JSON: " + error.message)
        }
        guard case .object = value else { throw Fault("is not a JSON object") }
        let (name, ownModel) = try identity(of: value)
        let tenant = try text(value, "tenant") ?? ""
        var request = TraceRequest(object: .init(named: Array("\(tenant.utf8.count):\(tenant)".utf8) + name))
        request.size = try count(value, "size") ?? value["response"].map(Self.size) ?? sizeDefault
        request.time = try number(value, "time").map { .nanoseconds(Int64($0 * 1e9)) }
        request.generationTime = try number(value, "generation_ms").map { .nanoseconds(Int64($0 * 1e6)) }
        request.model = try text(value, "model") ?? ownModel
        let prompt = try count(value, "prompt_tokens")
        let completion = try count(value, "completion_tokens")
        if prompt != nil || completion != nil {
            request.usage = Usage(promptTokenCount: prompt ?? 0, completionTokenCount: completion ?? 0)
        }
        return request
    }

    /// What makes it equal to others, and the model that its body names.
    private static func identity(of value: JSONValue) throws(Fault) -> ([UInt8], model: String?) {
        if let key = try text(value, "key") { return (Array(("k" + key).utf8), nil) }
        guard let request = value["request"], !request.isNull else { throw Fault("has neither 'key' nor 'request'") }
        let body = request.text.map { Array($0.utf8) } ?? request.bytes
        do throws(BodyError) {
            let canonical = try CanonicalBody(body)
            let model = (try? JSONValue(parsing: body))?["model"]?.text
            return (Array("r".utf8) + canonical.digest().bytes, model)
        } catch {
            throw Fault("has a 'request' that is no body: " + error.message)
        }
    }

    private static func size(of response: JSONValue) -> Int { response.text?.utf8.count ?? response.bytes.count }

    private static func text(_ value: JSONValue, _ name: StaticString) throws(Fault) -> String? {
        guard let member = value[name], !member.isNull else { return nil }
        guard let text = member.text else { throw Fault("has a '\(name)' that is no text") }
        return text
    }

    private static func count(_ value: JSONValue, _ name: StaticString) throws(Fault) -> Int? {
        guard let member = value[name], !member.isNull else { return nil }
        guard let count = member.integer, (0...1 << 40).contains(count) else {
            throw Fault("has a '\(name)' that is no whole number from 0 to 2^40")
        }
        return count
    }

    private static func number(_ value: JSONValue, _ name: StaticString) throws(Fault) -> Double? {
        guard let member = value[name], !member.isNull else { return nil }
        guard case .literal(let digits) = member, let number = Double(String(decoding: digits, as: UTF8.self)),
            (0...9e9).contains(number)
        else { throw Fault("has a '\(name)' that is no number from 0 to 9e9") }
        return number
    }
}
