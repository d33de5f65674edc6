/// The answer of another pod's attempt, and what to do when it does not come.
extension LeaseMachine {
    /// What is followed.
    struct Remote: Sendable {
        var log: RemoteLog
        var watch: LeaseWatch
        /// When the end is waited for no longer, once there is a reason to give up.
        var endWaitUntil = Instant.never
        /// When to say again that this pod follows.
        var interestAt: Instant
        /// Something is missing; only how it ends is still of interest.
        var isGapped = false
        /// The lease is gone, or another's.
        var isGone = false

        var next: Instant { min(watch.deadAt, endWaitUntil, interestAt) }
    }

    /// Why a stream that is followed is of no use.
    private enum Loss {
        /// The leading pod seems to be dead.
        case died(LeaseSight)
        /// It is over, and what there is must be asked for.
        case vanished
        /// The leading pod says that it failed, and that another try may not.
        case failed(Failure)
        case useless(LoneReason)
    }

    mutating func follow(_ sight: LeaseSight, at now: Instant) -> [Action] {
        guard wish.mayFollow else { return goAlone(.newer) }
        guard !spent.contains(sight.attempt) else { return goAlone(.exhausted) }
        phase = .following
        remote = Remote(
            log: RemoteLog(checksIndices: !bugs.contains(.noIndexCheck)),
            watch: LeaseWatch(
                sight, deadAfter: bugs.contains(.trustsExpiry) ? .seconds(1 << 30) : settings.deadAfter, at: now),
            interestAt: now.advanced(by: settings.interestInterval))
        return [.follow(sight)]
    }

    /// News of the stream that is followed.
    public mutating func heard(_ news: FollowNews, at now: Instant) -> [Action] {
        guard case .following = phase else { return [] }
        switch news {
        case .entries(let entries):
            var actions: [Action] = []
            for entry in entries {
                guard case .following = phase else { break }
                actions += read(entry, at: now)
            }
            return actions
        case .sight(let sight): return saw(sight, at: now)
        case .unreadable: return lose(.useless(.unreadable), at: now)
        case .unavailable: return lose(.useless(.unavailable), at: now)
        }
    }

    private mutating func read(_ entry: PublishedEntry, at now: Instant) -> [Action] {
        guard let action = remote?.log.read(entry) else { return [] }
        remote?.watch.stirred(at: now)
        switch action {
        case .deliver(let chunks, let began):
            return (began.map { [.begin($0)] } ?? []) + [.deliver(chunks)]
        case .complete(let usage, let isStored, let began):
            phase = .over
            remote = nil
            return [.unfollow] + (began.map { [.begin($0)] } ?? []) + [.complete(usage: usage, isStored: isStored)]
        case .short: return lose(.vanished, at: now)
        case .failed(let failure, isRetryable: true): return lose(.failed(failure), at: now)
        case .failed(let failure, isRetryable: false): return fail(failure)
        case .gap: return missed(at: now)
        }
    }

    /// Something is missing. With nothing delivered the final answer is waited for a while: it may be near.
    private mutating func missed(at now: Instant) -> [Action] {
        guard let remote, remote.log.count == 0 else { return lose(.useless(.trimmed), at: now) }
        if !remote.isGapped {
            self.remote?.isGapped = true
            self.remote?.endWaitUntil = min(remote.endWaitUntil, now.advanced(by: settings.lateEndWait))
        }
        return []
    }

    private mutating func saw(_ sight: LeaseSight?, at now: Instant) -> [Action] {
        guard let remote else { return [] }
        if let sight, sight.attempt == remote.watch.sight.attempt {
            self.remote?.watch.saw(sight, at: now)
            return []
        }
        // Whoever has read some of it may still read on: the one who lost the lease goes on for them.
        if sight != nil, remote.log.count > 0 { return [] }
        if !remote.isGone {
            self.remote?.isGone = true
            // The end is written with the lease's going, and may be read after it.
            self.remote?.endWaitUntil = min(remote.endWaitUntil, now.advanced(by: settings.endWait))
        }
        return []
    }

    mutating func look(at now: Instant) -> [Action] {
        guard let remote else { return [] }
        if now >= wish.deadline { return fail(.timedOut(.total)) }
        if now >= remote.endWaitUntil {
            return lose(remote.isGone ? .vanished : .useless(.trimmed), at: now)
        }
        if now >= remote.watch.deadAt { return lose(.died(remote.watch.sight), at: now) }
        guard now >= remote.interestAt else { return [] }
        self.remote?.interestAt = now.advanced(by: settings.interestInterval)
        return [.keepFollowing]
    }

    private mutating func fail(_ failure: Failure) -> [Action] {
        phase = .over
        remote = nil
        return [.unfollow, .fail(failure)]
    }

    /// The stream that is followed is of no use. What was delivered of it can be continued by nothing else.
    private mutating func lose(_ loss: Loss, at now: Instant) -> [Action] {
        guard let remote else { return [] }
        guard remote.log.count == 0 || bugs.contains(.splices) else {
            guard case .died(let sight) = loss else { return fail(.cut) }
            return fail(.cut) + bury(sight)
        }
        self.remote = nil
        return [.unfollow] + goOn(after: loss, of: remote.watch.sight.attempt, at: now)
    }

    /// Takes a dead pod's lease away though this flight has no use for it: whoever asks from now on would follow a stream
    /// that never ends, and fail like this one.
    private mutating func bury(_ sight: LeaseSight) -> [Action] {
        phase = .burying
        return [.steal(sight, needed: nil)]
    }

    /// What the store says to that.
    mutating func buried(_ reply: LeaseReply) -> [Action] {
        phase = .over
        switch reply {
        // Those who have come to follow this attempt are to ask anew.
        case .leads: return [.abort(.failed(.cut, isRetryable: true))]
        case .unavailable: return [.abort(nil)]
        case .hit, .follows, .poisoned: return []
        }
    }

    private mutating func goOn(after loss: Loss, of lost: AttemptID, at now: Instant) -> [Action] {
        if now >= wish.deadline { return giveUp(.timedOut(.total)) }
        switch loss {
        case .useless(let reason): return goAlone(reason)
        case .failed(let failure):
            spent.append(lost)
            failureCount += 1
            guard failureCount < settings.attemptsMax else { return giveUp(failure) }
            return askAgain(at: now) ?? giveUp(failure)
        case .vanished:
            spent.append(lost)
            return askAgain(at: now) ?? goAlone(.exhausted)
        case .died(let sight):
            // Whoever has seen so many die does not try it alone: that would be the way around `takeovers_max`.
            guard reacquireCount < settings.reacquiresMax else {
                return giveUp(.limited(limit: "takeovers_max", retryAfter: settings.poisonedRetryAfter))
            }
            failureCount += 1
            reacquireCount += 1
            phase = .acquiring
            askedAt = now
            return [.steal(sight, needed: needed(again: true))]
        }
    }

    private mutating func askAgain(at now: Instant) -> [Action]? {
        guard reacquireCount < settings.reacquiresMax else { return nil }
        reacquireCount += 1
        return acquire(needed(again: true), at: now)
    }

    private mutating func giveUp(_ failure: Failure) -> [Action] {
        phase = .over
        return [.fail(failure)]
    }
}
