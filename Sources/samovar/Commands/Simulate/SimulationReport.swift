import Foundation
import SamovarCore
import SamovarWire

/// What a simulation found, for a person and for a script.
struct SimulationReport {
    let trace: String
    let format: TraceFormat
    let outcome: Simulation.Outcome
    let isPriced: Bool

    private var requestCount: Int { outcome.results.first?.figures.requestCount ?? 0 }

    /// A row for each cache.
    var text: String {
        var lines = ["\(trace): \(requestCount) requests (\(format.rawValue))"]
        var head = [Self.left("policy", 8), Self.right("size", 9), Self.right("ttl", 7), Self.right("hits", 8)]
        head += [Self.right("bytes", 8), Self.right("shared", 8), Self.right("calls", 9)]
        if isPriced { head += [Self.right("saved USD", 12), Self.right("spent USD", 12)] }
        lines.append(head.joined(separator: " "))
        for (settings, figures) in outcome.results {
            var row = [Self.left(settings.policy.rawValue, 8), Self.right(size(settings.sizeMax), 9)]
            row += [Self.right(settings.ttl.map(Self.spelled) ?? "none", 7), Self.percent(figures.hitRatio)]
            row += [Self.percent(figures.byteHitRatio), Self.percent(figures.coalescedRatio)]
            row.append(Self.right(String(figures.callCount), 9))
            if isPriced { row += [Self.dollars(figures.savedMicroUSD), Self.dollars(figures.spentMicroUSD)] }
            lines.append(row.joined(separator: " "))
        }
        if isPriced, let unpriced = outcome.results.first?.figures.unpricedCount, unpriced > 0 {
            lines.append("unpriced: \(unpriced) requests")
        }
        return lines.joined(separator: "\n")
    }

    var json: String {
        let caches = outcome.results.map { settings, figures in
            var members = [
                "\"policy\":\"\(settings.policy.rawValue)\"", "\"size\":\(settings.sizeMax)",
                "\"item_size_max\":\(settings.itemSizeMax)", "\"overhead\":\(settings.overhead)",
                "\"ttl_seconds\":\(settings.ttl.map { String($0.seconds) } ?? "null")",
                "\"requests\":\(figures.requestCount)", "\"hits\":\(figures.hitCount)",
                "\"coalesced\":\(figures.coalescedCount)", "\"calls\":\(figures.callCount)",
                "\"expired\":\(figures.expiredCount)", "\"evicted\":\(figures.evictedCount)",
                "\"hit_ratio\":\(figures.hitRatio)", "\"byte_hit_ratio\":\(figures.byteHitRatio)",
                "\"coalesced_ratio\":\(figures.coalescedRatio)",
            ]
            if isPriced {
                members += [
                    "\"saved_micro_usd\":\(figures.savedMicroUSD)", "\"spent_micro_usd\":\(figures.spentMicroUSD)",
                    "\"unpriced_requests\":\(figures.unpricedCount)",
                ]
            }
            return "{\(members.joined(separator: ","))}"
        }
        return "{\"trace\":\(JSONLog.quoted(trace)),\"format\":\"\(format.rawValue)\",\"requests\":\(requestCount),"
            + "\"late_requests\":\(outcome.lateCount),\"caches\":[\(caches.joined(separator: ","))]}"
    }

    private func size(_ size: Int) -> String {
        format.hasSizes ? ValueFormat<Int>.size(0...1 << 50).spell(size) : String(size)
    }

    private static func spelled(_ duration: Duration) -> String {
        ValueFormat<Duration>.duration(.zero ... .seconds(1 << 40)).spell(duration)
    }

    private static func percent(_ share: Double) -> String { right(String(format: "%.2f %%", share * 100), 8) }
    private static func dollars(_ micro: Int) -> String { right(String(format: "%.4f", Double(micro) / 1e6), 12) }
    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
