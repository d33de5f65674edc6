import Foundation

/// Lines over an axis, as an SVG that a page holds. Colours come from the page: classes `line-0`, `line-1`, ….
struct LineChart {
    struct Line {
        let name: String
        /// Places along the x axis from 0 to 1, and values.
        let points: [(x: Double, y: Double)]
    }

    let title: String
    let lines: [Line]
    let xTicks: [(x: Double, label: String)]
    let xLabel: String
    /// How a value on the y axis is written.
    let spell: (Double) -> String

    private static let width = 480.0
    private static let height = 270.0
    private static let left = 64.0
    private static let right = 26.0
    private static let top = 12.0
    private static let bottom = 46.0

    /// The drawing, with its legend where there is more than one line.
    var html: String {
        let axis = Self.axis(max: lines.flatMap(\.points).map(\.y).max() ?? 0)
        var parts = [
            "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" "
                + "aria-label=\"\(HTMLText.escaped(title))\">"
        ]
        for value in axis.ticks {
            let y = Self.y(value, axis.max)
            parts.append("<line class=\"grid\" \(Self.segment(Self.left, y, Self.width - Self.right, y))/>")
            parts.append(Self.text(Self.left - 6, y + 4, "end", spell(value)))
        }
        for tick in xTicks {
            let x = Self.x(tick.x)
            let base = Self.height - Self.bottom
            parts.append("<line class=\"grid\" \(Self.segment(x, base, x, base + 4))/>")
            parts.append(Self.text(x, base + 18, "middle", tick.label))
        }
        parts.append(Self.text((Self.left + Self.width - Self.right) / 2, Self.height - 8, "middle", xLabel))
        for (index, line) in lines.enumerated() { parts += Self.draw(line, index, axis.max) }
        parts.append("</svg>")
        return "<figure><figcaption>\(HTMLText.escaped(title))</figcaption>\(parts.joined())\(legend)</figure>"
    }

    private var legend: String {
        guard lines.count > 1 else { return "" }
        let items = lines.enumerated().map {
            "<span class=\"key\"><span class=\"dot dot-\($0)\"></span>\(HTMLText.escaped($1.name))</span>"
        }
        return "<p class=\"legend\">\(items.joined(separator: " "))</p>"
    }

    private static func draw(_ line: Line, _ index: Int, _ max: Double) -> [String] {
        let places = line.points.map { "\(number(x($0.x))),\(number(y($0.y, max)))" }
        // A line of one point is none: it is drawn as a dot.
        guard places.count > 1 else {
            return line.points.map {
                "<circle class=\"line-\(index)\" cx=\"\(number(x($0.x)))\" cy=\"\(number(y($0.y, max)))\" r=\"3\"/>"
            }
        }
        return ["<polyline class=\"line-\(index)\" fill=\"none\" points=\"\(places.joined(separator: " "))\"/>"]
    }

    /// From 0 to a round number not below the largest value, in four to ten steps of 1, 2 or 5.
    static func axis(max largest: Double) -> (max: Double, ticks: [Double]) {
        guard largest > 0, largest.isFinite else { return (1, [0, 1]) }
        let magnitude = pow(10, floor(log10(largest)))
        let step = [0.2, 0.5, 1].map { $0 * magnitude }.first { largest / $0 <= 6 } ?? 2 * magnitude
        let count = (largest / step).rounded(.up)
        return (count * step, (0...Int(count)).map { Double($0) * step })
    }

    private static func x(_ share: Double) -> Double { left + share * (width - left - right) }

    private static func y(_ value: Double, _ max: Double) -> Double {
        height - bottom - value / max * (height - top - bottom)
    }

    private static func segment(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
        "x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\""
    }

    private static func text(_ x: Double, _ y: Double, _ anchor: String, _ text: String) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" font-size=\"13\">\(HTMLText.escaped(text))</text>"
    }

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }
}

/// Text inside HTML and XML.
enum HTMLText {
    /// With nothing left that could be a tag, an attribute's end or a reference.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            // Not allowed in XML, and invisible in HTML.
            case "\u{0}"..<"\u{9}", "\u{B}"..<"\u{D}", "\u{E}"..<" ", "\u{FFFE}"..."\u{FFFF}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
