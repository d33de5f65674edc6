/// A call of this flight's own: with the lease, or without.
extension LeaseMachine {
    /// How a call ended.
    public enum Ended: Sendable {
        /// The answer is whole. `stores`: and may be kept.
        case whole(stores: Bool, PublishedForm, usage: Usage?)
        case failed(Failure)
    }

    public enum CallAction: Sendable {
        /// Call the upstream.
        case go
        /// The lease may be another's by now: do these first, and do not call unless told so again.
        case notYet([Action])
    }

    /// The call waits for its turn before the upstream, until then at most: that is progress, and the lease is kept.
    public mutating func waits(until deadline: Instant, at now: Instant) {
        guard standing == .leads else { return }
        switch phase {
        case .ready:
            if heart == nil { heart = beating(until: deadline) } else { heart?.progressed(until: deadline) }
        case .calling: heart?.progressed(until: deadline)
        case .idle, .acquiring, .refreshing, .following, .burying, .ending, .setting, .over: return
        }
    }

    private func beating(until deadline: Instant) -> Heart {
        Heart(
            every: settings.renewInterval, acquiredAt: askedAt, progressUntil: deadline,
            beatsWithoutProgress: bugs.contains(.beatsWithoutProgress))
    }

    /// The upstream is about to be called: ask right before the request goes out, after all queues.
    ///
    /// - Parameter progressUntil: until when the upstream may be silent: `AnswerDeadlines.next`.
    public mutating func calls(progressUntil: Instant, at now: Instant) -> CallAction {
        if case .calling = phase {
            // A second attempt of the same call.
            heart?.progressed(until: progressUntil)
            return .go
        }
        guard case .ready = phase else { return .notYet([]) }
        if standing == .leads {
            // The process may have been paused, or the call have waited for a permit: a lease that was asked for so
            // long ago may be another's before the upstream has the request.
            let isOurs = heart?.isLost != true && askedAt.duration(to: now) < settings.callWithin
            guard isOurs || bugs.contains(.callsLate) else {
                // Renewed, not acquired once more: to those who wait, a lease that is acquired again under the same
                // attempt looks as old as it was, and they would take it while the upstream is being called.
                phase = .refreshing
                heart = nil
                askedAt = now
                return .notYet([.renew])
            }
            if heart == nil { heart = beating(until: progressUntil) } else { heart?.progressed(until: progressUntil) }
        }
        phase = .calling
        return .go
    }

    /// The upstream sent a chunk.
    public mutating func received(
        _ chunk: Chunk, _ form: PublishedForm, progressUntil: Instant, at now: Instant
    ) -> [Action] {
        guard case .calling = phase, standing == .leads else { return [] }
        heart?.progressed(until: progressUntil)
        publication.append(chunk, form, at: now)
        if isFollowed { publication.open(at: now) }
        return publish(at: now)
    }

    /// The call has ended. Local callers have been told already.
    public mutating func ended(_ ended: Ended, at now: Instant) -> [Action] {
        if case .ready = phase, case .failed(let failure) = ended { return notCalled(failure) }
        guard case .calling = phase else { return [] }
        guard standing == .leads else { return endedAlone(ended) }
        phase = .ending(ended)
        if isFollowed { publication.open(at: now) }
        return settle(at: now)
    }

    /// It was not let through to the upstream. Another pod may be.
    private mutating func notCalled(_ failure: Failure) -> [Action] {
        phase = .over
        guard standing == .leads else { return releaseUnknown }
        return [.abort(.failed(failure, isRetryable: isRetryable(failure))), .withdraw(attempt)]
    }

    private mutating func endedAlone(_ ended: Ended) -> [Action] {
        guard case .whole(stores: true, _, _) = ended, !isInvalidated else {
            phase = .over
            return releaseUnknown
        }
        // The answer first: whoever finds no lease any more is to find it.
        if mayHoldUnknowingly { phase = .setting } else { phase = .over }
        return [.set]
    }

    /// The store has done with `set`, however that ended.
    public mutating func wasSet(at now: Instant) -> [Action] {
        guard case .setting = phase else { return [] }
        phase = .over
        return releaseUnknown
    }

    // MARK: The heart

    func isAlive(at now: Instant) -> Bool { heart.map { !$0.isLost } ?? false }

    mutating func beat(at now: Instant) -> [Action] { heart?.beat(at: now) == true ? [.renew] : [] }

    /// What the store says to `renew`.
    public mutating func renewed(_ reply: RenewReply, at now: Instant) -> [Action] {
        if case .refreshing = phase { return refreshed(reply, at: now) }
        let sentAt = heart?.replied(reply) ?? now
        if case .ready = phase, case .renewed = reply { askedAt = max(askedAt, sentAt) }
        guard case .calling = phase else { return [] }
        switch reply {
        case .renewed(let isFollowed):
            if isFollowed { return interested(at: now) }
            // A pod may have come after the question was sent.
            if followedAt <= sentAt { self.isFollowed = false }
            return cancelIfUnwanted()
        case .lost:
            // Local callers and those who read this stream get their answer; others have an attempt of their own.
            return []
        case .unavailable: return []
        }
    }

    /// Whether the lease is still this attempt's after a long wait for the call.
    private mutating func refreshed(_ reply: RenewReply, at now: Instant) -> [Action] {
        switch reply {
        case .renewed where isInvalidated && !bugs.contains(.keepsInvalidated):
            return [.withdraw(attempt)] + leadNobody()
        case .renewed(let isFollowed):
            phase = .ready
            return (isFollowed ? interested(at: now) : []) + [.call(.leads)]
        case .lost:
            standing = nil
            // Under the name of the lost one, a new lease would look to those who wait just as the old one did when
            // they last saw it, and be taken from this pod at once.
            let lost = attempt
            attempt = attempt.next
            // Whoever followed the lost one follows it still, or nobody.
            isFollowed = false
            return [.withdraw(lost)] + acquire(hasRefused ? nil : wish.needed, at: now)
        case .unavailable:
            mayHoldUnknowingly = true
            return [.withdraw(attempt)] + goAlone(.unavailable)
        }
    }

    /// With nobody here and nobody elsewhere the upstream is given up.
    mutating func cancelIfUnwanted() -> [Action] {
        guard isLeft, !wish.finishWhenLeft, !bugs.contains(.readsForNobody) else { return [] }
        guard standing != .leads || !isFollowed || bugs.contains(.forgetsFollowers) else { return [] }
        return [.cancelUpstream]
    }

    // MARK: Publishing

    /// Another pod follows this attempt.
    public mutating func interested(at now: Instant) -> [Action] {
        isFollowed = true
        followedAt = now
        switch phase {
        case .calling:
            // What came before a long silence is no sign of life: published now, it would be taken for one.
            guard heart?.hasProgress(at: now) == true else { return [] }
            publication.open(at: now)
            return publish(at: now)
        case .ending:
            // Too late for the prefix where the end is on its way: that says where to find the answer.
            guard !hasToldEnd else { return [] }
            publication.open(at: now)
            return settle(at: now)
        case .idle, .acquiring, .ready, .refreshing, .following, .burying, .setting, .over: return []
        }
    }

    mutating func publish(at now: Instant) -> [Action] {
        let entries = publication.take(at: now)
        return entries.isEmpty ? [] : [.publish(entries)]
    }

    /// What the store says to `publish`. False where it is not known to have taken it.
    public mutating func published(_ isTaken: Bool, at now: Instant) -> [Action] {
        publication.published(isTaken, at: now)
        switch phase {
        case .calling: return publish(at: now)
        case .ending: return settle(at: now)
        case .idle, .acquiring, .ready, .refreshing, .following, .burying, .setting, .over: return []
        }
    }

    // MARK: The end

    /// Publishes what is left, then gives the lease back: one after the other, so that the end comes last.
    mutating func settle(at now: Instant) -> [Action] {
        guard case .ending(let ended) = phase, !hasToldEnd, !publication.isBusy else { return [] }
        let rest = publication.take(at: now, isLast: true)
        guard rest.isEmpty else { return [.publish(rest)] }
        hasToldEnd = true
        guard isAlive(at: now) else { return tellReaders(ended) }
        switch ended {
        case .whole(let stores, let form, let usage):
            let stores = stores && !isInvalidated
            let end = PublishedEntry.end(count: publication.count, form, usage: usage, isStored: stores)
            return [.commit(stores: stores, end: publication.isOpen ? end : nil)]
        case .failed(let failure):
            phase = .over
            // Also where nobody is known to follow: someone may have begun to this moment, and would call in vain.
            return [.abort(.failed(failure, isRetryable: isRetryable(failure))), .withdraw(attempt)]
        }
    }

    /// What the store says to `commit`.
    public mutating func committed(_ reply: CommitReply, at now: Instant) -> [Action] {
        guard case .ending(let ended) = phase else { return [] }
        switch reply {
        case .stored:
            phase = .over
            return [.withdraw(attempt)]
        // The end was not written with it, or may not have been; those who read this stream need it all the same.
        // A second end is never read.
        case .lost, .unavailable: return tellReaders(ended)
        }
    }

    /// Without the lease the end is an entry like others.
    private mutating func tellReaders(_ ended: Ended) -> [Action] {
        guard publication.isOpen else {
            phase = .over
            return [.withdraw(attempt)]
        }
        let entry: PublishedEntry =
            switch ended {
            case .whole(_, let form, let usage):
                .end(count: publication.count, form, usage: usage, isStored: false)
            case .failed(let failure): .failed(failure, isRetryable: isRetryable(failure))
            }
        phase = .over
        return [.publish([entry]), .withdraw(attempt)]
    }

    /// Whether another pod is to try, as far as this one can tell.
    private func isRetryable(_ failure: Failure) -> Bool {
        let count = failureCount + 1
        return switch failure {
        // Nothing is known against the request or the upstream.
        case .draining, .cut: count < settings.attemptsMax
        // Nor is anything known where this pod had no room: another one may have.
        case .limited where failure.isRejection: count < settings.attemptsMax
        default: failure.isUpstreamTrouble && count < settings.troubledAttemptsMax
        }
    }
}
