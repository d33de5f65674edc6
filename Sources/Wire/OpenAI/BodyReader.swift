import SamovarCore

/// What a whole JSON answer says.
public enum BodyReader {
    /// - Throws: `Failure.malformed` where it is no JSON object of that kind, `Failure.erred` where it is an error
    ///   under status 200.
    public static func read(_ bytes: [UInt8], kind: APIKind) throws(Failure) -> ReadEvent {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw .malformed(reason: "the answer is not JSON")
        }
        guard case .object = value else { throw .malformed(reason: "the answer is not a JSON object") }
        if let error = value["error"], !error.isNull { throw .erred(body: error.bytes) }
        var facts = ChunkFacts()
        facts.hasToken = true
        facts.model = value["model"]?.text
        facts.usage = value["usage"].flatMap(Usage.init)
        switch kind {
        case .chat, .completions:
            guard case .array(let choices)? = value["choices"] else {
                throw .malformed(reason: "the answer has no choices")
            }
            for choice in choices { facts.read(choice) }
        case .embeddings, .models:
            guard case .array(let data)? = value["data"] else { throw .malformed(reason: "the answer has no data") }
            facts.isDone = kind == .models || !data.isEmpty
        }
        return ReadEvent(chunk: Chunk(bytes: bytes), facts: facts, error: nil)
    }
}
