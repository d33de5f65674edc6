import FoundationEssentials
import NIOCore

/// Embeddings as one JSON document: numbers that are a function of each input's digest.
enum EmbeddingBody {
    /// - Parameter swapped: the first two come in each other's place.
    static func make(_ ask: EmbeddingAsk, swapped: Bool = false) -> ByteBuffer {
        var order = Array(ask.digests.indices)
        if swapped, order.count > 1 { order.swapAt(0, 1) }
        var writer = JSONWriter(capacity: 256 + ask.digests.count * ask.dimensions * 16)
        writer.raw(#"{"object":"list","data":["#)
        for (place, index) in order.enumerated() {
            writer.raw(place == 0 ? #"{"object":"embedding","index":"# : #",{"object":"embedding","index":"#)
            writer.number(index)
            writer.raw(#","embedding":"#)
            write(vector(of: ask.digests[index], dimensions: ask.dimensions), asBase64: ask.asBase64, into: &writer)
            writer.raw("}")
        }
        writer.raw(#"],"model":"#)
        writer.quoted(ask.model)
        writer.raw(#","usage":{"prompt_tokens":"#)
        writer.number(ask.promptTokenCount)
        writer.raw(#","total_tokens":"#)
        writer.number(ask.promptTokenCount)
        writer.raw("}}")
        return writer.bytes
    }

    /// At least -1, below 1, in steps of 1/4096: the same number as text, as Float and as Double.
    static func vector(of digest: Digest, dimensions: Int) -> [Float] {
        (0..<dimensions).map { Float(Int(digest.noise($0) % 8_192) - 4_096) / 4_096 }
    }

    private static func write(_ vector: [Float], asBase64: Bool, into writer: inout JSONWriter) {
        guard asBase64 else {
            writer.value(.array(vector.map { .number(Double($0)) }))
            return
        }
        var bytes = Data(capacity: vector.count * 4)
        for number in vector {
            withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        }
        writer.quoted(bytes.base64EncodedString())
    }
}
