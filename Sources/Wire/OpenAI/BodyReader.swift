import SamovarCore

/// What a whole JSON answer says.
public enum BodyReader {
    /// - Parameter inputCount: how many vectors an embeddings answer must have, where that is known.
    /// - Throws: `Failure.malformed` where it is no JSON object of that kind, `Failure.erred` where it is an error
    ///   under status 200.
    public static func read(_ bytes: [UInt8], kind: APIKind, inputCount: Int? = nil) throws(Failure) -> ReadEvent {
        if kind == .embeddings { return try embeddings(bytes, inputCount: inputCount) }
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
        if kind == .models {
            guard case .array? = value["data"] else { throw .malformed(reason: "the answer has no data") }
            facts.isDone = true
        } else {
            guard case .array(let choices)? = value["choices"] else {
                throw .malformed(reason: "the answer has no choices")
            }
            for choice in choices { facts.read(choice) }
        }
        return ReadEvent(chunk: Chunk(bytes: bytes), facts: facts, error: nil)
    }

    /// Without reading a vector: one that is read number by number costs more than the call's own bytes.
    private static func embeddings(_ bytes: [UInt8], inputCount: Int?) throws(Failure) -> ReadEvent {
        let answer: EmbeddingAnswer
        do {
            answer = try EmbeddingAnswer(bytes)
        } catch {
            throw .malformed(reason: "the answer is not a JSON object")
        }
        if let error = answer.error { throw .erred(body: error.bytes) }
        guard answer.data != nil else { throw .malformed(reason: "the answer has no data") }
        if let inputCount, !answer.fits(inputCount: inputCount) {
            throw .malformed(reason: EmbeddingBatchBody.misfit)
        }
        var facts = ChunkFacts()
        facts.hasToken = true
        facts.model = answer.model
        facts.usage = answer.usage
        facts.isDone = !answer.elements.isEmpty
        return ReadEvent(chunk: Chunk(bytes: bytes), facts: facts, error: nil)
    }
}
