/// What has come of another pod's attempt: whether it is whole so far, and how it ended.
///
/// A stream in Redis may have lost its beginning (trimmed), its end (evicted) or anything between (a failover). Each
/// entry says where it belongs, so none of that goes unnoticed, and no answer is called whole unless as many chunks
/// came as its end counts. O(1) an entry.
public struct RemoteLog: Sendable {
    /// How many chunks have come, all of them without a gap.
    public private(set) var count = 0
    private var form: PublishedForm?
    private var isGapped = false
    private let checksIndices: Bool

    public init() { self.init(checksIndices: true) }

    init(checksIndices: Bool) { self.checksIndices = checksIndices }

    public enum ReadAction: Sendable {
        /// These come next. `began`: the first of them, so the answer has this form.
        case deliver([Chunk], began: PublishedForm?)
        /// The answer is whole. `began`: as with `deliver`, of an answer of no chunks.
        case complete(usage: Usage?, isStored: Bool, began: PublishedForm?)
        /// The answer is whole where it was made, but not all of it came here.
        case short(isStored: Bool)
        /// The leading pod says that there will be no more.
        case failed(Failure, isRetryable: Bool)
        /// Something is missing before this entry: nothing after it is of use, but for how it ends.
        case gap
    }

    /// Another entry, in the order of the stream.
    public mutating func read(_ entry: PublishedEntry) -> ReadAction {
        switch entry {
        case .chunks(let first, let form, let chunks):
            guard !isGapped, first == count || !checksIndices, began(form) != nil || self.form == form else {
                isGapped = true
                return .gap
            }
            let began = began(form)
            self.form = form
            count += chunks.count
            return .deliver(chunks, began: began)
        case .end(let count, let form, let usage, let isStored):
            guard !isGapped, count == self.count || !checksIndices, began(form) != nil || self.form == form else {
                return .short(isStored: isStored)
            }
            return .complete(usage: usage, isStored: isStored, began: began(form))
        case .failed(let failure, let isRetryable):
            return .failed(failure, isRetryable: isRetryable)
        }
    }

    private func began(_ form: PublishedForm) -> PublishedForm? { self.form == nil ? form : nil }
}
