extension [UInt8] {
    /// Most significant byte first.
    mutating func append(bigEndian value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// - Precondition: that many bytes are there.
    func bigEndian<Value: FixedWidthInteger>(at start: Int, as type: Value.Type) -> Value {
        self[start..<start + Value.bitWidth / 8].reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }
}
