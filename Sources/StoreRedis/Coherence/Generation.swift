import SamovarCore

/// How a scope's generation is written in Redis: decimal digits.
enum Generation {
    /// Longer than the longest life of an answer, two years: what is older than a generation that was forgotten is dead.
    static let life = Duration.seconds(800 * 86_400)
    /// One that is so far ahead of our clock is nobody's: it would make all that is stored unusable for as long.
    static let aheadMax: Int64 = 366 * 86_400_000

    /// 0 where there is none, or none of ours.
    static func parse(_ bytes: [UInt8], at wallNow: WallTime) -> UInt64 {
        guard (1...16).contains(bytes.count) else { return 0 }
        var number: UInt64 = 0
        for digit in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return 0 }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number <= UInt64(max(0, wallNow.milliseconds + aheadMax)) ? number : 0
    }

    // KEYS: generation. ARGV: what is known of it, its life (ms). Reply: the new one.
    // A server that forgot, or a replica that never knew, does not give out a number twice: time goes on.
    static let advance = Script(
        old + """
            local number = math.max(old + 1, now, ARGV[1] + 1)
            local done = redis.pcall('SET', KEYS[1], string.format('%.0f', number), 'PX', ARGV[2])
            if done.err then return done end
            return number
            """)

    // KEYS: generation. ARGV: what it is at least, its life (ms). Reply: what it is now.
    static let restore = Script(
        old + """
            if old >= tonumber(ARGV[1]) then return old end
            local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
            if done.err then return done end
            return tonumber(ARGV[1])
            """)

    /// Reads what is there: 0 where it is nothing of ours.
    private static let old = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local old = redis.pcall('GET', KEYS[1])
        if type(old) == 'table' and not string.find(old.err, 'WRONGTYPE', 1, true) then return old end
        old = type(old) == 'string' and string.match(old, '^%d+$') and tonumber(old) or 0
        if old > now + \(aheadMax) then old = 0 end

        """
}
