/// The values that had to go for one that came, in the order in which they went.
///
/// Mostly there is none or one: these cost no allocation.
public struct Evicted<Value>: RandomAccessCollection {
    @usableFromInline var head: Value?
    @usableFromInline var tail: [Value] = []

    @inlinable
    init() {}

    @inlinable
    mutating func append(_ value: consuming Value) {
        if head == nil { head = value } else { tail.append(value) }
    }

    public var startIndex: Int { @inlinable get { 0 } }
    public var endIndex: Int { @inlinable get { head == nil ? 0 : 1 + tail.count } }

    public subscript(index: Int) -> Value {
        @inlinable
        get {
            guard let head, index == 0 else { return tail[index - 1] }
            return head
        }
    }
}

extension Evicted: Sendable where Value: Sendable {}
