import SamovarCore
import SamovarWire
import TestSupport

/// An upstream's stream: the same events however it is cut, recorded and replayed byte for byte, folded and unfolded
/// into what can be read again. What is no stream is read as a body.
public func fuzzSSE(_ bytes: [UInt8]) throws(BrokenPromise) {
    let whole = try decode([bytes[...]])
    for split in Splits.of(bytes) {
        try promise(try decode(split) == whole, "cut otherwise the bytes are other events")
        try bounded(split)
    }
    for event in whole.events {
        if let place = event.dataPlace {
            try promise(Array(event.raw[place]) == event.data, "the data stand elsewhere")
        }
    }
    for usageAsked in [false, true] { try read(whole.events, usageAsked: usageAsked) }
    for kind in [APIKind.chat, .completions, .embeddings] { _ = try? BodyReader.read(bytes, kind: kind) }
    try unfold(bytes)
}

private struct Decoded: Hashable {
    var events: [ServerSentEvent]
    var keepAliveCount: Int
}

private func decode(
    _ pieces: [ArraySlice<UInt8>], eventSizeMax: Int = .max
) throws(BrokenPromise) -> Decoded {
    var decoder = EventDecoder(eventSizeMax: eventSizeMax)
    var events: [ServerSentEvent] = []
    for piece in pieces {
        guard let more = try? decoder.feed(piece) else { throw BrokenPromise("an event is too large for no limit") }
        events += more
    }
    if let last = decoder.finish() { events.append(last) }
    return Decoded(events: events, keepAliveCount: decoder.keepAliveCount)
}

/// What is not refused is no larger than the limit, but for what came in one piece.
private func bounded(_ pieces: [ArraySlice<UInt8>]) throws(BrokenPromise) {
    let eventSizeMax = 64
    var decoder = EventDecoder(eventSizeMax: eventSizeMax)
    for piece in pieces {
        guard let events = try? decoder.feed(piece) else { return }
        for event in events {
            try promise(event.raw.count <= eventSizeMax + piece.count, "an event is larger than event_size_max")
        }
    }
}

private func read(_ events: [ServerSentEvent], usageAsked: Bool) throws(BrokenPromise) {
    var chunks: [Chunk] = []
    for event in events {
        guard let read = try? EventReader.read(event, usageAsked: usageAsked) else { return }
        try promise(read.chunk.bytes == event.raw, "a chunk is not the event as it came")
        if !usageAsked { try promise(read.chunk.usage == .nowhere, "usage is hidden that nobody added") }
        try withoutUsage(read.chunk)
        if let error = read.error {
            // The answer ends here, whatever follows.
            return try promise((try? JSONValue(parsing: error)) != nil, "an error is told that is no JSON")
        }
        chunks.append(read.chunk)
    }
    try record(chunks, usageAsked: usageAsked)
    guard let body = try? Fold.body(of: chunks) else { throw BrokenPromise("a stream that was read cannot be folded") }
    guard let value = try? JSONValue(parsing: body) else { throw BrokenPromise("a folded body is no JSON") }
    try promise(value.bytes == body, "a folded body is spelled otherwise than its value")
    try unfold(body)
}

/// What a caller is shown who did not ask for usage is the same event, without that member and nothing else.
private func withoutUsage(_ chunk: Chunk) throws(BrokenPromise) {
    guard case .member = chunk.usage else { return }
    var shown: [UInt8] = []
    chunk.appendWithoutUsage(to: &shown)
    let (before, after) = (try decode([chunk.bytes[...]]).events, try decode([shown[...]]).events)
    guard before.count == 1, after.count == 1, let all = try? JSONValue(parsing: before[0].data),
        let rest = try? JSONValue(parsing: after[0].data)
    else { throw BrokenPromise("an event without its usage is no event") }
    guard let place = all.members.firstIndex(where: { $0.isNamed("usage") && $0.value.isNull }) else {
        throw BrokenPromise("usage is hidden that is not null")
    }
    var members = all.members
    members.remove(at: place)
    try promise(rest == .object(members), "something else is hidden with the usage")
}

private func record(_ chunks: [Chunk], usageAsked: Bool) throws(BrokenPromise) {
    let recording = Recording(form: .stream, usageAsked: usageAsked, chunks: chunks)
    try promise((try? recording.chunks()) == chunks, "a recording brings other chunks")
    for withUsage in [false, true] {
        var expected: [UInt8] = []
        for chunk in chunks {
            if withUsage || !usageAsked { expected += chunk.bytes } else { chunk.appendWithoutUsage(to: &expected) }
        }
        let rendered = try? AnswerRenderer.render(recording, as: .stream, withUsage: withUsage, kind: .chat)
        try promise(rendered == expected, "a recording is rendered as something else")
    }
}

/// A body that has choices becomes a stream whose every event can be read, and which says that it is done.
private func unfold(_ body: [UInt8]) throws(BrokenPromise) {
    for kind in [APIKind.chat, .completions] {
        guard let unfolded = try? Unfold(body: body, kind: kind) else { continue }
        for withUsage in [false, true] {
            let events = try decode([unfolded.events(withUsage: withUsage)[...]]).events
            try promise(events.last?.data == Array("[DONE]".utf8), "an unfolded stream has no end")
            for event in events {
                guard (try? EventReader.read(event, usageAsked: withUsage)) != nil else {
                    throw BrokenPromise("an unfolded event cannot be read")
                }
            }
        }
    }
}
