import SamovarCore

/// One body for the inputs of several embeddings requests, and its answer as each of them would have had it alone.
///
/// Bytes are cut and joined, never spelled anew: each text goes up as its caller spelled it, and each vector comes back as
/// the provider spelled it, as numbers or in base64.
public struct EmbeddingBatchBody: EmbeddingSpelling {
    public init() {}

    /// The first one's body with all the texts in place of its own, in order. O(bytes).
    ///
    /// - Precondition: at least one; each body is the one that its input was read from.
    public func merged(_ inputs: [(body: CanonicalBody, input: EmbeddingInput)]) -> [UInt8] {
        let (first, place) = (inputs[0].body.bytes, inputs[0].input.value)
        var output: [UInt8] = []
        output.reserveCapacity(first.count + inputs.reduce(2) { $0 + $1.input.text.count + 1 })
        output += first[..<place.lowerBound]
        output.append(UInt8(ascii: "["))
        for (position, (body, input)) in inputs.enumerated() {
            if position > 0 { output.append(UInt8(ascii: ",")) }
            output += body.bytes[input.text]
        }
        output.append(UInt8(ascii: "]"))
        output += first[place.upperBound...]
        return output
    }

    /// The answer for each input: the same members, one vector with `index` 0, and its share of what was used.
    /// O(bytes + inputs × what is not data).
    ///
    /// Counts in `usage` are shared out by the inputs' sizes, and add up to the provider's; what callers of several are
    /// charged for together is only known together, so each share is estimated.
    ///
    /// - Throws: `Failure.malformed` where the data are not one vector for each input, in order.
    public func parts(of answer: [UInt8], for inputs: [EmbeddingInput]) throws(Failure) -> [EmbeddingPart] {
        guard let answer = try? EmbeddingAnswer(answer), let data = answer.data, answer.fits(inputCount: inputs.count)
        else { throw .malformed(reason: Self.misfit) }
        let model = answer.model
        let sizes = inputs.map(\.text.count)
        let counts = answer.counts.map { ($0.place, TokenShares.shares(of: $0.number, by: sizes)) }
        return answer.elements.enumerated().map { position, element in
            var edits = counts.map { Edit(place: $0, text: Array(String($1[position]).utf8)) }
            let vector = Self.alone(element, answer)
            edits.append(Edit(place: data, text: [UInt8(ascii: "[")] + vector + [UInt8(ascii: "]")]))
            let bytes = Self.edited(answer.bytes[...], edits)
            var facts = ChunkFacts()
            facts.hasToken = true
            facts.isDone = true
            facts.model = model
            facts.usage = Self.usage(of: bytes)
            return EmbeddingPart(chunk: Chunk(bytes: bytes), facts: facts)
        }
    }

    public func refused(
        by refusal: Failure.Refusal, of inputs: [EmbeddingInput]
    ) -> (index: Int, alone: Failure.Refusal)? {
        EmbeddingRefusal(refusal, inputCount: inputs.count).map {
            ($0.index, $0.alone(isArray: inputs[$0.index].isArray))
        }
    }

    static let misfit = "its data are not one vector for each input, in their order"

    private struct Edit {
        let place: Range<Int>
        let text: [UInt8]
    }

    /// The element as the only one.
    private static func alone(_ element: EmbeddingAnswer.Element, _ answer: EmbeddingAnswer) -> [UInt8] {
        let edits = element.index.map { [Edit(place: $0.place, text: [UInt8(ascii: "0")])] } ?? []
        return edited(answer.bytes[element.place], edits)
    }

    /// The bytes with these places changed, which do not overlap.
    private static func edited(_ bytes: ArraySlice<UInt8>, _ edits: [Edit]) -> [UInt8] {
        var output: [UInt8] = []
        var end = bytes.startIndex
        for edit in edits.sorted(by: { $0.place.lowerBound < $1.place.lowerBound }) {
            output += bytes[end..<edit.place.lowerBound]
            output += edit.text
            end = edit.place.upperBound
        }
        return output + bytes[end...]
    }

    private static func usage(of bytes: [UInt8]) -> Usage? {
        guard var usage = (try? EmbeddingAnswer(bytes))?.usage else { return nil }
        usage.isEstimated = true
        return usage
    }
}
