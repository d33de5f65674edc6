/// The message of an error in OpenAI's shape.
public enum ErrorText {
    public static func message(in body: [UInt8]) -> String? {
        (try? JSONValue(parsing: body))?["error"]?["message"]?.text
    }
}

/// The text that a streamed event adds.
public enum DeltaText {
    /// Of the first choice; nil where the event adds none.
    public static func content(in data: [UInt8]) -> String? {
        let choice = (try? JSONValue(parsing: data))?["choices"]?.elements.first
        return choice?["delta"]?["content"]?.text ?? choice?["text"]?.text
    }
}
