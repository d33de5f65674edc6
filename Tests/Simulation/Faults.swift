/// What goes wrong in one schedule, and how often. A schedule in ten has no faults at all.
struct Faults {
    /// In a thousand commands.
    var lostRequests = 0
    var lostReplies = 0
    var lateRequests = 0
    var lateReplies = 0
    var lostPokes = 0
    /// In a thousand upstream calls.
    var upstreamTrouble = 60
    var hangs = 0
    /// In a thousand calls: those that wait long for a permit.
    var queues = 0
    var streamEntryMax = 4_096
    var publishQueueSizeMax = 256 << 10
    /// Chunks come as fast as they can.
    var hasBursts = false
    /// Whoever calls for this key dies of it.
    var deadlyKey: Int?
    var hasEvents = false

    init(_ dice: inout Dice) {
        guard !dice.permille(100) else { return }
        hasEvents = true
        if dice.permille(400) {
            let rate = dice.permille(300) ? 100 : 20
            lostRequests = rate
            lostReplies = rate
            lateReplies = rate
            lateRequests = rate / 2
        }
        if dice.permille(300) { lostPokes = 300 }
        if dice.permille(300) { hangs = 150 }
        if dice.permille(300) { queues = 200 }
        if dice.permille(200) { streamEntryMax = dice.number(1...4) }
        if dice.permille(100) {
            publishQueueSizeMax = 24
            hasBursts = true
        }
        if dice.permille(100) { upstreamTrouble = 220 }
        if dice.permille(80) { deadlyKey = dice.number(0...1) }
    }
}
