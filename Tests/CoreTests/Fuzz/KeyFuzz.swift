import SamovarCore
import TestSupport

private let routes = RouteTable(routes: [Route()])

/// A body of a request: what is the same stays the same however it is read, spelled or remembered.
public func fuzzKey(_ bytes: [UInt8]) throws(BrokenPromise) {
    guard let body = try? CanonicalBody(bytes) else {
        let request = try? Request(Request.Arrival(kind: .chat, body: bytes), routes: routes)
        return try promise(request == nil, "a request is made of a body that is refused")
    }
    try canonicalForm(of: body)
    try upstreamBody(of: body)
    for kind in [APIKind.chat, .embeddings] { try requestKey(of: bytes, kind: kind, text: body.canonicalText()) }
}

private func canonicalForm(of body: CanonicalBody) throws(BrokenPromise) {
    let text = body.canonicalText()
    guard let again = try? CanonicalBody(text) else { throw BrokenPromise("the canonical text is refused") }
    try promise(again.canonicalText() == text, "the canonical text of a canonical text is another")
    try promise(again.digest() == body.digest(), "the canonical text has another digest")
    let kept = body.members.filter { !CanonicalBody.isLeftOut($0.name) }.map(\.name)
    try promise(Set(again.members.map(\.name)) == Set(kept), "the canonical text has other members")
    for member in body.members {
        let rest = body.canonicalText(ignoring: [member.name])
        guard let without = try? CanonicalBody(rest) else {
            throw BrokenPromise("the text without a member is refused")
        }
        try promise(without[member.name] == nil, "an ignored member is in the text")
        try promise(without.digest() == body.digest(ignoring: [member.name]), "ignoring is not leaving out")
    }
}

/// Whatever is changed for the upstream's sake, the question is the same.
private func upstreamBody(of body: CanonicalBody) throws(BrokenPromise) {
    for stream in [nil, false, true] {
        for includeUsage in [false, true] {
            let sent = UpstreamBody(stream: stream, includeUsage: includeUsage).bytes(of: body)
            guard let read = try? CanonicalBody(sent) else { throw BrokenPromise("the upstream's body is refused") }
            try promise(read.digest() == body.digest(), "the upstream is asked something else")
            try promise(read["cache"] == nil, "the upstream sees our own member")
            guard let stream, !body.members.isEmpty else { continue }
            let asked = read["stream"].map { Array(sent[$0.value]) }
            try promise(asked == Array("\(stream)".utf8), "the upstream is not asked for the form that is needed")
        }
    }
}

private func requestKey(of bytes: [UInt8], kind: APIKind, text: [UInt8]) throws(BrokenPromise) {
    let arrival = Request.Arrival(kind: kind, body: bytes)
    guard let request = try? Request(arrival, routes: routes) else { return }
    if request.controls.namespace.isEmpty {
        let same = try? Request(Request.Arrival(kind: kind, body: text), routes: routes)
        try promise(same?.key == request.key, "the canonical text has another key")
    }
    var memo = BodyMemo(sizeMax: 4_096)
    let caller = routes.caller(authorization: nil)
    let question = BodyMemo.Question(arrival, caller: caller, rawDigest: Digest256(of: bytes))
    memo.insert(request, of: arrival, as: question, in: routes)
    guard let entry = memo.lookup(question, in: routes) else {
        let textCount = request.model.utf8.count + request.controls.namespace.utf8.count
        return try promise(textCount > 64, "a request is not remembered")
    }
    let known = Request(arrival, known: entry, routes: routes)
    try promise(known.key == request.key && known.model == request.model, "another request is remembered")
    try promise(
        known.form == request.form && known.wantsUsage == request.wantsUsage && known.controls == request.controls
            && known.sharing == request.sharing && known.tenant.label == request.tenant.label,
        "a request is remembered that wants something else")
}
