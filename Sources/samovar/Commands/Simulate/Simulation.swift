import SamovarCore
import SamovarWire

/// One trace against several caches at once, in one pass.
struct Simulation {
    /// What the trace does not say.
    struct Assumptions {
        /// Between two requests; nil: as the trace says.
        var interval: Duration?
        var generationTime = Duration.zero
        var model: String?
        var usage: Usage?
        var prices = PriceTable()
    }

    /// What came of a run.
    struct Outcome {
        var results: [(settings: Replay.Settings, figures: Replay.Figures)] = []
        var lateCount = 0
    }

    let file: TraceFile
    /// nil: guessed from the first line.
    let format: TraceFormat?
    let timeUnit: Duration
    let assumptions: Assumptions
    /// The caches of this format.
    let settings: (TraceFormat) throws -> [Replay.Settings]
    /// Of one cache: what bounds the memory.
    let entryCountMax: Int

    private static let progressEvery = 1 << 16

    /// Runs to the end of the trace. `progress` is told now and then how many requests have been read.
    func run(progress: (Int) -> Void) throws -> (format: TraceFormat, outcome: Outcome) {
        var reader: TraceDecoder?
        var replays: [ReplayBox] = []
        var clock = TraceClock(interval: assumptions.interval)
        var count = 0
        func ask(_ request: TraceRequest) throws {
            let arrival = clock.arrival(of: request)
            let generationTime = request.generationTime ?? assumptions.generationTime
            let microUSD = price(of: request)
            for box in replays {
                // Without times nothing expires and nothing takes time; the settings were checked for that.
                try box.ask(
                    request, at: arrival ?? .zero, generationTime: arrival == nil ? .zero : generationTime, microUSD,
                    entryCountMax: entryCountMax)
            }
            count += 1
            if count % Self.progressEvery == 0 { progress(count) }
        }
        do {
            try file.read { piece in
                if reader == nil {
                    let format = try format ?? guess(piece)
                    reader = TraceDecoder(format, timeUnit: timeUnit)
                    replays = try settings(format).map(ReplayBox.init)
                }
                try reader?.read(piece, ask)
            }
            try reader?.finish(ask)
        } catch let error as TraceError {
            throw CommandFailure("\(file.path):\(error.line.map { "\($0):" } ?? "") \(error.reason)")
        } catch is Overfull {
            throw CommandFailure(
                "\(file.path):\(reader.map { $0.line > 0 ? "\($0.line):" : "" } ?? "") a cache has more than "
                    + "\(entryCountMax) entries; take a smaller --sizes or a larger --entries-max")
        }
        guard let reader else { throw CommandFailure("\(file.path): is empty") }
        let results = replays.map { (settings: $0.replay.settings, figures: $0.replay.figures) }
        return (reader.format, Outcome(results: results, lateCount: clock.lateCount))
    }

    private func guess(_ beginning: [UInt8]) throws -> TraceFormat {
        guard let format = TraceFormat(guessedFrom: beginning) else {
            let names = TraceFormat.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure("\(file.path): its first line does not tell its format; say --format (\(names))")
        }
        return format
    }

    private func price(of request: TraceRequest) -> Int? {
        guard let model = request.model ?? assumptions.model, let usage = request.usage ?? assumptions.usage else {
            return nil
        }
        return assumptions.prices.microUSD(of: usage, model: model)
    }

    private struct Overfull: Error {}

    /// Holds a replay, which cannot be copied and so cannot lie in an array.
    private final class ReplayBox {
        var replay: Replay

        init(_ settings: Replay.Settings) { replay = Replay(settings) }

        func ask(
            _ request: TraceRequest, at now: Instant, generationTime: Duration, _ microUSD: Int?, entryCountMax: Int
        ) throws {
            replay.ask(request, at: now, generationTime: generationTime, microUSD: microUSD)
            if replay.entryCount > entryCountMax { throw Overfull() }
        }
    }
}
