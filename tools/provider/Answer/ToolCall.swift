/// The part of a tool call that comes before its arguments.
struct ToolCall {
    let answer: Answer
    let choice: Int

    /// `"id":…,"type":"function","function":{"name":…,"arguments":"`, the string left open.
    func writeOpening(_ name: String, into writer: inout JSONWriter) {
        writer.raw(#""id":"call_"#)
        writer.raw(answer.ask.digest.hex)
        writer.number(choice)
        writer.raw(#"","type":"function","function":{"name":"#)
        writer.quoted(name)
        writer.raw(#","arguments":""#)
    }
}
