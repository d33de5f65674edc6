import SamovarWire
import Testing

@Suite("The difference of two bodies")
struct JSONDifferenceTests {
    private func paths(_ left: String, _ right: String) throws -> [String] {
        try JSONDifference.between(Array(left.utf8), Array(right.utf8)).map(\.path)
    }

    @Test("is named as deep down as they are alike")
    func paths() throws {
        #expect(try paths(#"{"a":1,"b":2}"#, #"{"a":1,"b":3}"#) == ["b"])
        #expect(try paths(#"{"m":[{"c":"x"},{"c":"y"}]}"#, #"{"m":[{"c":"x"},{"c":"z"}]}"#) == ["m[1].c"])
        #expect(try paths(#"{"a":1}"#, #"{"b":1}"#) == ["a", "b"])
        #expect(try paths(#"{"m":[1]}"#, #"{"m":[1,2]}"#) == ["m[1]"])
        #expect(try paths(#"{"a":{"x":1}}"#, #"{"a":[1]}"#) == ["a"])
        #expect(try paths(#"{"a":1}"#, #"{"a":1}"#).isEmpty)
    }

    @Test("is the whole object where only the order of its members differs")
    func order() throws {
        #expect(try paths(#"{"tools":[{"a":1,"b":2}]}"#, #"{"tools":[{"b":2,"a":1}]}"#) == ["tools[0]"])
    }
}
