/// Plausible log probabilities: a function of the digest, like the tokens beside which they stand.
struct Logprobs {
    let answer: Answer

    /// `{"content":[...],"refusal":null}` for a run of tokens.
    func write(_ tokens: Range<Int>, choice: Int, into writer: inout JSONWriter) {
        writer.raw(#"{"content":["#)
        for index in tokens {
            if index > tokens.lowerBound { writer.raw(",") }
            writeEntry(index, choice: choice, into: &writer)
        }
        writer.raw(#"],"refusal":null}"#)
    }

    private func writeEntry(_ index: Int, choice: Int, into writer: inout JSONWriter) {
        let token = answer.token(index, choice: choice)
        let thousandths = Int(answer.ask.digest.noise(index) % 700)
        writer.raw("{")
        write(token, thousandths, into: &writer)
        writer.raw(#","top_logprobs":["#)
        for rank in 0..<(answer.ask.topLogprobCount ?? 0) {
            writer.raw(rank == 0 ? "{" : ",{")
            write(rank == 0 ? token : "\(token)~\(rank)", thousandths + 1_000 * rank, into: &writer)
            writer.raw("}")
        }
        writer.raw("]}")
    }

    private func write(_ token: String, _ thousandths: Int, into writer: inout JSONWriter) {
        writer.raw(#""token":"#)
        writer.quoted(token)
        writer.raw(#","logprob":"#)
        writer.value(.number(-Double(thousandths) / 1_000))
        writer.raw(#","bytes":"#)
        writer.value(.array(token.utf8.map { .number(Double($0)) }))
    }
}
