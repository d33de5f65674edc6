/// How much one connection may ask of us (Protocol.md §12). Names are the configuration's keys.
public struct BinaryLimits: Hashable, Sendable {
    public var bodySizeMax: Int
    public var metadataSizeMax: Int
    public var inflightMax: Int
    public var windowSize: Int
    public var chunkSize: Int
    public var outputSizeMax: Int

    public init(
        bodySizeMax: Int = 8 << 20, metadataSizeMax: Int = 16 << 10, inflightMax: Int = 256,
        windowSize: Int = 256 << 10, chunkSize: Int = 16 << 10, outputSizeMax: Int = 1 << 20
    ) {
        self.bodySizeMax = bodySizeMax
        self.metadataSizeMax = metadataSizeMax
        self.inflightMax = inflightMax
        self.windowSize = windowSize
        self.chunkSize = chunkSize
        self.outputSizeMax = outputSizeMax
    }

    /// The largest payload that a server takes: a body, and room for what stands before it.
    public var frameSizeMax: Int { bodySizeMax + Self.frameSlack }
    /// The largest first payload: nothing else is read before it.
    public var helloSizeMax: Int { Hello.fixedByteCount + metadataSizeMax }
    /// The largest payload that a server sends.
    public var replySizeMax: Int { chunkSize + Self.replySlack }

    static let frameSlack = 64 << 10
    static let replySlack = 4 << 10
    /// Fields in one section of metadata.
    public static let fieldCountMax = 10
    /// The least that a client may ask for, and that its answers are sent with (Protocol.md §5.1).
    public static let windowSizeMin = 1_024
}
