import SamovarCore

/// What is done to a key's lease inside Redis, each in one step.
///
/// A lease is `<attempt>:<heartbeat>:<pod>` (`LeaseText`). None of the scripts fails where a name of ours holds what is
/// not ours: another type counts as nothing there. What refuses a write is handed out, not thrown, so that what was
/// read before is not lost.
enum LeaseScripts {
    // KEYS: answer, lease, takeovers, mark of an invalidation, this attempt's stream.
    // ARGV: attempt, pod, life of the lease (ms), fresh life needed (ms; empty: no answer will do), head of an answer.
    // Reply: code, attempt, answer or nothing, its life left (ms), lease or why it was refused. Code 6: this attempt has
    // had its time. A question that was long on its way would bring back a lease that was taken from it, or lead others
    // to a stream that is over.
    static let acquire = Script(
        text + taking + """
            if lease then return other() end
            local takeovers = text(KEYS[3])
            if type(takeovers) == 'table' then return takeovers end
            if takeovers and tonumber(takeovers) and tonumber(takeovers) > \(takeoverMax) then return reply(4, false) end
            return take()
            """)

    // As ACQUIRE; ARGV 6: what the lease began with when it was seen.
    static let steal = Script(
        text + taking + """
            if lease and string.sub(lease, 1, #ARGV[6]) ~= ARGV[6] then return other() end
            local takeovers = redis.pcall('INCR', KEYS[3])
            if type(takeovers) == 'table' then return reply(5, takeovers.err) end
            if takeovers == 1 then redis.call('PEXPIRE', KEYS[3], \(takeoverLife.milliseconds)) end
            if takeovers > \(takeoverMax) then return reply(4, false) end
            return take()
            """)

    // KEYS: lease, followers. ARGV: attempt, life of the lease (ms).
    // Reply: 0 lost, 1 renewed, 2 renewed and followed.
    static let renew = Script(
        text + own + """
            if not isOwn then return 0 end
            local heartbeat, pod = string.match(lease, '^%x+:(%d+):(%x+)$')
            if not heartbeat then return 0 end
            local renewed = ARGV[1] .. ':' .. string.format('%.0f', heartbeat + 1) .. ':' .. pod
            local done = redis.pcall('SET', KEYS[1], renewed, 'PX', ARGV[2])
            if done.err then return done end
            local time = redis.call('TIME')
            local now = time[1] * 1000 + math.floor(time[2] / 1000)
            local count = redis.pcall('ZCOUNT', KEYS[2], now, '+inf')
            if type(count) == 'number' and count > 0 then return 2 end
            return 1
            """)

    // KEYS: lease, answer, stream.
    // ARGV: attempt, answer or nothing, its life (ms), entry or nothing, entries kept, life of the stream (ms).
    // Reply: 0 lost, 1 done, 2 the answer was refused; and what refused any of it.
    static let commit = Script(
        text + own + appending + """
            if not isOwn then return {0, false} end
            local refused = false
            if ARGV[2] ~= '' then
                local done = redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
                if done.err then refused = done.err end
            end
            local gone = redis.pcall('DEL', KEYS[1])
            if type(gone) == 'table' then return {2, gone.err} end
            local missing = append(KEYS[3], ARGV[4], ARGV[5], ARGV[6])
            if refused then return {2, refused} end
            return {1, missing}
            """)

    // KEYS: lease, stream. ARGV: attempt, entry or nothing, entries kept, life of the stream (ms).
    // Reply: 0 lost, 1 done; and what refused any of it. Those who follow the attempt are told in both cases: what it
    // has published is its own, whoever has the lease.
    static let abort = Script(
        text + own + appending + """
            local missing = append(KEYS[2], ARGV[2], ARGV[3], ARGV[4])
            if not isOwn then return {0, missing} end
            local gone = redis.pcall('DEL', KEYS[1])
            if type(gone) == 'table' then return {1, gone.err} end
            return {1, missing}
            """)

    // KEYS: answer, lease, mark. ARGV: life of the mark (ms). Reply: how much there was.
    // The mark says that it happened, and whose lease was taken: what was begun before must not be stored after it.
    static let purge = Script(
        text + """
            local lease = text(KEYS[2])
            local attempt = type(lease) == 'string' and string.sub(lease, 1, 32) or ''
            redis.pcall('SET', KEYS[3], attempt, 'PX', ARGV[1])
            return redis.pcall('UNLINK', KEYS[1], KEYS[2])
            """)

    // KEYS: answer, mark. ARGV: answer, its life (ms). Reply: 0 not stored, 1 stored.
    // For an answer that was made without a lease: nothing else tells whether it was begun before an invalidation.
    static let storeUnmarked = Script(
        text + """
            if text(KEYS[2]) ~= false then return 0 end
            local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
            if done.err then return done end
            return 1
            """)

    // KEYS: followers. ARGV: pod, how long it follows (ms), the leading pod's channel, attempt.
    // By Redis's own clock, as pods' clocks differ. Telling the leading pod may be forbidden; it finds out by itself.
    static let follow = Script(
        """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local gone = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
        if type(gone) == 'table' then return gone end
        local added = redis.pcall('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
        if type(added) == 'table' then return added end
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        redis.pcall('PUBLISH', ARGV[3], ARGV[4])
        return 1
        """)

    // KEYS: stream, followers; of an attempt that does not exist. Leaves nothing behind.
    // Whether a user who was refused something may do it all by now.
    static let rights = Script(
        """
        for _, command in ipairs({
            {'XADD', KEYS[1], 'NOMKSTREAM', '*', 'e', ''}, {'XREAD', 'COUNT', 1, 'STREAMS', KEYS[1], '0-0'},
            {'ZADD', KEYS[2], 'XX', 0, ''}, {'ZCOUNT', KEYS[2], 0, 0}, {'ZREMRANGEBYSCORE', KEYS[2], 0, 0},
            {'TIME'}, {'INCR', KEYS[2]}, {'SET', KEYS[2], '', 'PX', 1000}, {'GET', KEYS[2]}, {'PTTL', KEYS[2]},
            {'PEXPIRE', KEYS[2], 1000}, {'DEL', KEYS[2]}
        }) do
            local done = redis.pcall(unpack(command))
            if type(done) == 'table' and done.err then return done end
        end
        return 1
        """)

    /// How often in `takeoverLife` a key's lease may be taken from a pod that seems dead: the request may be what kills.
    static let takeoverMax = 3
    static let takeoverLife = Duration.seconds(600)

    // MARK: Pieces

    /// A string, false where there is none, or a table where reading is refused.
    private static let text = """
        local function text(name)
            local found = redis.pcall('GET', name)
            if type(found) == 'table' and string.find(found.err, 'WRONGTYPE', 1, true) then return false end
            return found
        end

        """

    /// Reads answer and lease, returns a good answer at once, and defines how the lease is taken.
    ///
    /// An answer's stale life stands in it: eight bytes from the 57th on, in nanoseconds. Where Redis knows of no end of
    /// an answer's life, the answer's own has to do, which the asker reads.
    private static let taking = """
        local answer = text(KEYS[1])
        if type(answer) == 'table' then return answer end
        local left = answer and redis.pcall('PTTL', KEYS[1])
        if type(left) ~= 'number' then left = -1 end
        local function reply(code, lease) return {code, ARGV[1], answer, left, lease} end
        local function isGood()
            if not answer or ARGV[4] == '' or #answer < 64 or string.sub(answer, 1, #ARGV[5]) ~= ARGV[5] then
                return false
            end
            if left < 0 then return true end
            local stale = 0
            for place = 57, 64 do stale = stale * 256 + string.byte(answer, place) end
            return left > stale / 1000000 + ARGV[4]
        end
        if isGood() then return reply(1, false) end
        local lease = text(KEYS[2])
        if type(lease) == 'table' then return lease end
        local function take()
            if text(KEYS[4]) == ARGV[1] or redis.pcall('PTTL', KEYS[5]) ~= -2 then return reply(6, false) end
            local taken = ARGV[1] .. ':0:' .. ARGV[2]
            local done = redis.pcall('SET', KEYS[2], taken, 'PX', ARGV[3])
            if done.err then return reply(5, done.err) end
            return reply(2, taken)
        end
        local function other()
            if string.sub(lease, 1, 33) ~= ARGV[1] .. ':' then return reply(3, lease) end
            redis.pcall('PEXPIRE', KEYS[2], ARGV[3])
            return reply(2, lease)
        end

        """

    private static let own = """
        local lease = text(KEYS[1])
        if type(lease) == 'table' then return lease end
        local isOwn = lease and string.sub(lease, 1, 33) == ARGV[1] .. ':'

        """

    private static let appending = """
        local function append(name, entry, count, life)
            if entry == '' then return false end
            local done = redis.pcall('XADD', name, 'MAXLEN', '~', count, '*', 'e', entry)
            if type(done) == 'table' and done.err then return done.err end
            redis.pcall('PEXPIRE', name, life)
            return false
        end

        """
}
