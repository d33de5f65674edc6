import SamovarCore
import SamovarWire

/// What a connection's bytes were understood as.
struct Understood: Equatable {
    struct Asked: Hashable {
        let head: RequestHead
        let body: [UInt8]
    }

    var asked: [Asked] = []
    var refusal: Int?
    var saidContinue = 0
    /// The most bytes that had to be given again.
    var carriedMax = 0

    static func == (left: Understood, right: Understood) -> Bool {
        left.asked == right.asked && left.refusal == right.refusal && left.saidContinue == right.saidContinue
    }

    var requests: [String] {
        asked.map { "\($0.head.method) \($0.head.target) \(String(decoding: $0.body, as: UTF8.self))" }
    }

    static func decoder(
        bodySizeMax: Int = 1 << 20, headerSizeMax: Int = 4_096, headerCountMax: Int = 20
    ) -> RequestDecoder {
        RequestDecoder(
            rules: RequestRules(
                limits: .init(bodySizeMax: bodySizeMax, headerCountMax: headerCountMax), names: .init()),
            limits: .init(headerSizeMax: headerSizeMax, headerCountMax: headerCountMax))
    }

    /// Feeds pieces as a connection does: what is not done is given again, with more behind it.
    init(_ pieces: [ArraySlice<UInt8>], by decoder: consuming RequestDecoder = decoder()) {
        var carry: [UInt8] = []
        for piece in pieces {
            carry += piece
            var start = 0
            reading: while start < carry.count, refusal == nil {
                switch decoder.next(carry.span, from: start) {
                case .more(let done):
                    start += done
                    break reading
                case .sayContinue(let done):
                    start += done
                    saidContinue += 1
                    break reading
                case .request(let fields, let body, let done):
                    let head = RequestHead(fields, in: carry.span, from: start)
                    asked.append(Asked(head: head, body: Array(carry[body])))
                    start += done
                case .gathered(let head, let body, let done):
                    asked.append(Asked(head: head, body: body))
                    start += done
                case .refuse(let error): refusal = error.status
                }
            }
            carry.removeFirst(start)
            if refusal == nil { carriedMax = max(carriedMax, carry.count) }
        }
    }
}
