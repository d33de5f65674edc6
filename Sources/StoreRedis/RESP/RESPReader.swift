// Unsafe pointers are here because hiredis's reader speaks in them: bytes go in as a pointer, replies come out as a
// tree of C structs that is copied into values at once and freed. None of them leaves this file.

import CHiredis

/// Turns bytes, cut anywhere, into replies. hiredis does the parsing; the limits are ours.
///
/// Once it has thrown it is dead, as what follows in the stream cannot be understood any more.
struct RESPReader: ~Copyable {
    /// hiredis moves what is left of its buffer down after every reply, so large meals cost the square of their size.
    static let feedSizeMax = 16 << 10
    /// How many elements one array may announce. hiredis would allocate a pointer for each before the first is there.
    static let arrayCountMax = 4_096

    private let reader: UnsafeMutablePointer<redisReader>
    /// How many bytes one reply may take, arrays with all that is in them.
    private let replySizeMax: Int
    /// What has been fed since the last reply was whole.
    private var unfinishedSize = 0

    init(replySizeMax: Int) {
        guard let reader = redisReaderCreate() else { fatalError("out of memory") }
        // Otherwise hiredis frees and allocates its buffer whenever it runs empty with more than 16 KiB of room.
        reader.pointee.maxbuf = 0
        reader.pointee.fn = Self.constructors
        self.reader = reader
        self.replySizeMax = replySizeMax
    }

    deinit { redisReaderFree(reader) }

    /// Takes bytes in. All replies must be taken out with `next()` before the next meal.
    ///
    /// - Precondition: `bytes.count <= feedSizeMax`.
    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        precondition(bytes.count <= Self.feedSizeMax, "feed less at a time")
        unfinishedSize += bytes.count
        let status = redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        guard status == REDIS_OK else { throw .unreadable }
    }

    /// The next whole reply, or nil when the rest has not come yet.
    mutating func next() throws(ProtocolError) -> RESPValue? {
        var reply: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw .unreadable }
        guard let reply else {
            guard unfinishedSize <= replySizeMax else { throw .replyTooLarge(replySizeMax: replySizeMax) }
            return nil
        }
        defer { freeReplyObject(reply) }
        unfinishedSize = reader.pointee.len - reader.pointee.pos
        return Self.value(reply.assumingMemoryBound(to: redisReply.self))
    }

    /// Copies a reply out of C. Recursion ends: hiredis refuses more than seven arrays in one another.
    private static func value(_ pointer: UnsafePointer<redisReply>) -> RESPValue {
        let reply = pointer.pointee
        switch reply.type {
        case REDIS_REPLY_INTEGER: return .integer(Int64(reply.integer))
        case REDIS_REPLY_STATUS: return .status(String(decoding: text(reply), as: UTF8.self))
        case REDIS_REPLY_ERROR: return .error(ServerError(line: text(reply)))
        case REDIS_REPLY_STRING: return .bulk(Array(text(reply)))
        case REDIS_REPLY_ARRAY:
            var elements: [RESPValue] = []
            for index in 0..<Int(reply.elements) {
                guard let element = reply.element[index] else { continue }
                elements.append(value(element))
            }
            return .array(elements)
        default: return .null
        }
    }

    private static func text(_ reply: redisReply) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: reply.str, count: Int(reply.len))
    }

    /// hiredis's own constructors, except that an array is refused that announces more than `arrayCountMax` elements.
    /// Allocated once and kept: every reader holds the pointer.
    nonisolated(unsafe) private static let constructors: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let constructors = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        constructors.initialize(to: standard)
        constructors.pointee.createArray = { task, count in
            guard count <= RESPReader.arrayCountMax else { return nil }
            return RESPReader.standard.createArray(task, count)
        }
        return constructors
    }()

    private static let standard: redisReplyObjectFunctions = {
        guard let reader = redisReaderCreate() else { fatalError("out of memory") }
        defer { redisReaderFree(reader) }
        return reader.pointee.fn.pointee
    }()
}

/// What the server sent is not its protocol, or breaks a limit of ours. The connection is of no further use.
enum ProtocolError: Error, Hashable, Sendable {
    /// Not RESP2, nested too deep, or an array with more than `RESPReader.arrayCountMax` elements.
    case unreadable
    case replyTooLarge(replySizeMax: Int)
    /// A reply that nobody has asked for.
    case unasked
}
