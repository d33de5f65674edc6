/// Why a request body is no JSON text that we accept, and at which byte.
///
/// Never carries a piece of the body: these texts go into replies and logs, and a prompt may not.
public enum BodyError: Error, Hashable, Sendable {
    case invalidUTF8(at: Int)
    case unexpected(_ what: String, at: Int)
    case duplicateMember(at: Int)
    case depthMax(at: Int)
    case nonFiniteNumber(at: Int)
    case loneSurrogate(at: Int)
    case controlCharacter(at: Int)
    /// A member that we read ourselves has a value of a type that it may not have.
    case wrongType(member: String, expected: String)

    public var message: String {
        switch self {
        case .invalidUTF8(let index): "the body is not valid UTF-8 at byte \(index)"
        case .unexpected(let what, let index): "the body is not valid JSON at byte \(index): \(what)"
        case .duplicateMember(let index): "the body names a member twice at byte \(index)"
        case .depthMax(let index): "the body is nested deeper than \(JSONScanner.depthMax) at byte \(index)"
        case .nonFiniteNumber(let index): "the body has a number beyond the range of a double at byte \(index)"
        case .loneSurrogate(let index): "the body has half a surrogate pair at byte \(index)"
        case .controlCharacter(let index): "the body has a control character inside a string at byte \(index)"
        case .wrongType(let member, let expected): "'\(member)' must be \(expected)"
        }
    }
}
