import SamovarCore

/// What pods tell each other, in one hash: a field for each pod, `<until, ms by the server's clock>\n<word>`.
///
/// By the server's clock alone, as pods' clocks differ. Where it was set back, a word may seem to live for longer than any
/// could: then it counts as dead.
enum BudgetScripts {
    /// How many pods there may be: `pods_max`.
    static let podsMax = FleetShare.podsMax
    /// No word lives longer.
    static let lifeMax = Duration.seconds(600)

    // KEYS: the hash. ARGV: pod, word, its number, how long it lives (ms).
    // Reply: 1 if the word was taken, else 0, how many pods there are; then pod and word of each other one that lives.
    // A word that was long on its way does not take the place of its successor. What others wrote that is none of ours is
    // removed. Too many pods: those that live stay.
    static let exchange = Script(
        """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local all = redis.pcall('HGETALL', KEYS[1])
        if all.err then
            if not string.find(all.err, 'WRONGTYPE', 1, true) then return all end
            local gone = redis.pcall('DEL', KEYS[1])
            if type(gone) == 'table' then return gone end
            all = {}
        end
        local reply, count, isNewer = {0, 0}, 0, true
        for place = 1, #all, 2 do
            local life, word = string.match(all[place + 1], '^(%d+)\\n(.*)$')
            life = life and #life < 16 and tonumber(life)
            if not life or life <= now or life > now + \(lifeMax.milliseconds) or #word > \(BudgetText.sizeMax) then
                local gone = redis.pcall('HDEL', KEYS[1], all[place])
                if type(gone) == 'table' then return gone end
            elseif all[place] == ARGV[1] then
                local number = string.match(word, '^(%d+)')
                isNewer = not number or tonumber(number) < tonumber(ARGV[3])
            else
                count = count + 1
                reply[#reply + 1] = all[place]
                reply[#reply + 1] = word
            end
        end
        reply[2] = count
        if count < \(podsMax) and isNewer then
            local done = redis.pcall('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[4]) .. '\\n' .. ARGV[2])
            if type(done) == 'table' and done.err then return done end
            redis.pcall('PEXPIRE', KEYS[1], \(lifeMax.milliseconds))
            reply[1] = 1
        end
        return reply
        """)
}
