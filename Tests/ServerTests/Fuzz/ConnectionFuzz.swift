import SamovarCore
import SamovarWire
import TestSupport

@testable import SamovarServer

/// The bytes of a client, into the connection itself, of either port.
///
/// Where everything is answered in its turn, the bytes that go out are the same however those that came were cut. Where
/// answers come later, the socket stalls and time passes as the bytes say: no frame goes out that a client must not
/// believe, every request has one end at most, and no more is kept than the limits allow.
public func fuzzConnection(_ bytes: [UInt8]) throws(BrokenPromise) {
    let whole = binary(InTurnService(streams: false))
    whole.receive(bytes)
    let http = HTTPPeer.connection(InTurnService(streams: true))
    http.receive(bytes)
    for split in Splits.of(bytes) {
        // A stranger may be known as one before it is known who it is, and then is not told.
        let isForeign = !bytes.starts(with: Magic.bytes.prefix(bytes.count)) && !Magic.bytes.starts(with: bytes)
        if !isForeign { try same(binary(InTurnService(streams: false)), split, as: whole) }
        try same(HTTPPeer.connection(InTurnService(streams: true)), split, as: http)
    }
    try live(bytes)
}

private func same<Machine>(
    _ connection: Driven<Machine>, _ split: [ArraySlice<UInt8>], as whole: Driven<Machine>
) throws(BrokenPromise) {
    for piece in split { connection.receive(piece) }
    // Who waits for its leave to send more is told so, unless it has begun.
    func said(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("HTTP/1.1 100 Continue\r\n\r\n", with: "")
    }
    try promise(
        connection.sent == whole.sent || said(connection.sent) == said(whole.sent),
        "cut otherwise the bytes are answered otherwise")
    try promise(connection.standing.ending == whole.standing.ending, "cut otherwise the connection ends otherwise")
}

private func binary<Service: BinaryService>(_ service: Service) -> Driven<BinaryConnection<Service>> {
    Driven { now in BinaryConnection(service: service, settings: settings(Service.self), at: now) }
}

private func settings<Service>(_: Service.Type) -> BinaryConnection<Service>.Settings {
    var settings = BinaryConnection<Service>.Settings()
    settings.limits = BinaryLimits(
        bodySizeMax: 1_024, metadataSizeMax: 256, inflightMax: 4, windowSize: 1_024, chunkSize: 256,
        outputSizeMax: 16_384)
    settings.followerLagMax = 2_048
    return settings
}

// MARK: Later

/// Replies of every kind to whatever was handed over, sockets that stall, time that passes.
private func live(_ bytes: [UInt8]) throws(BrokenPromise) {
    var random = SeededGenerator(seed: Splits.seed(of: bytes))
    let stored = ["small": Sample.body(50), "large": Sample.body(3_000), "stream": Sample.stream(9, of: 100)]
    let connection = binary(ScriptedService(stored))
    var answered = 0
    for piece in Splits.pieces(of: bytes, using: &random) {
        connection.receive(piece)
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            step(connection, &answered, &random)
            try bounded(connection)
        }
    }
    connection.drain()
    while answered < connection.handovers.count { step(connection, &answered, &random) }
    connection.drain()
    try bounded(connection)
    try believable(connection, after: bytes)
}

private func step(
    _ connection: Driven<BinaryConnection<ScriptedService>>, _ answered: inout Int,
    _ random: inout SeededGenerator
) {
    switch Int.random(in: 0..<8, using: &random) {
    case 0: connection.block(after: Int.random(in: 0...300, using: &random))
    case 1: connection.drain(Bool.random(using: &random) ? .max : Int.random(in: 0...2_000, using: &random))
    case 2: _ = connection.pass(.milliseconds(Int.random(in: 0...3_000, using: &random)))
    default:
        guard answered < connection.handovers.count else { return }
        let number = connection.handovers[answered].number
        answered += 1
        reply(connection, number, &random)
    }
}

private func reply(
    _ connection: Driven<BinaryConnection<ScriptedService>>, _ number: UInt64, _ random: inout SeededGenerator
) {
    let size = Int.random(in: 0...2_000, using: &random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: connection.reply(.answer(.init(.miss, .body), Sample.text(size)), to: number)
    case 1: connection.reply(.failed(FailedReply(.upstreamCut)), to: number)
    case 2: connection.reply(.done(Done(.stored, count: 1)), to: number)
    case 3: connection.reply(.text(Sample.text(size)), to: number)
    default:
        connection.reply(.begin(.init(.miss, .stream)), to: number)
        for index in 0..<Int.random(in: 0...4, using: &random) {
            connection.reply(.piece(Sample.event(index, size)), to: number)
        }
        connection.reply(.end(isCut: Bool.random(using: &random)), to: number)
    }
}

/// What waits for the socket is what the output may hold, what the data of one turn may add, and a frame's rest.
private func bounded(_ connection: Driven<BinaryConnection<ScriptedService>>) throws(BrokenPromise) {
    // What is due is done; then nothing is due that has passed, or its driver would never sleep.
    _ = connection.pass(.zero)
    try promise(connection.unsentCount <= 16_384 + (64 << 10) + 8_192, "more waits for the socket than may")
    try promise(
        connection.isClosed || connection.standing.wakeAt > connection.now,
        "it wants to be woken at a time that has passed")
}

/// What was sent, as a client reads it, beside what the client had asked.
private func believable(
    _ connection: Driven<BinaryConnection<ScriptedService>>, after received: [UInt8]
) throws(BrokenPromise) {
    let sent = connection.sent
    let asked = requestCounts(received)
    var ended: [UInt64: Int] = [:]
    if sent.starts(with: Array("HTTP/1.1 400".utf8)) { return }
    var decoder = FrameDecoder(readingFrom: .server, limits: settings(ScriptedService.self).limits)
    var offset = 0
    while let event = decoder.next(sent.span.bytes, at: &offset) {
        guard case .frame(let header, _) = event else {
            throw BrokenPromise("the server sends what no client believes: \(event)")
        }
        if header.flags.contains(.end) { ended[header.id, default: 0] += 1 }
    }
    try promise(offset == sent.count || connection.isClosed, "the server sends half a frame")
    for (id, count) in ended {
        try promise(count <= asked[id] ?? 0, "a request has two ends, or one that nobody asked")
    }
}

/// How many frames there were for each id, those that were refused too.
private func requestCounts(_ bytes: [UInt8]) -> [UInt64: Int] {
    var decoder = FrameDecoder(readingFrom: .client, limits: settings(ScriptedService.self).limits)
    var offset = 0
    var counts: [UInt64: Int] = [:]
    while let event = decoder.next(bytes.span.bytes, at: &offset) {
        switch event {
        case .frame(let header, _), .refused(let header, _): counts[header.id, default: 0] += 1
        case .broken, .foreign: break
        }
    }
    return counts
}
