import SamovarCore

/// Callers: how they come, join, read and go.
extension Schedule {
    func keyIndex(tenant: Int, prompt: Int) -> Int {
        bug == .tenantLeftOut ? prompt : tenant * promptCount + prompt
    }

    func arrives(_ number: Int) {
        guard requests[number].end == nil else { return }
        tally.requestCount += 1
        // Whoever routes to the pods takes one that is there.
        guard
            let pod = (0..<pods.count).map({ (requests[number].pod + $0) % pods.count }).first(where: { pods[$0].isUp })
        else { return end(number, .lost) }
        if pods[pod].pausedUntil != nil, pod != requests[number].pod {
            requests[number].pod = pod
            agenda.add(.arrives(number), at: pods[pod].pausedUntil ?? now)
            tally.requestCount -= 1
            return
        }
        requests[number].pod = pod
        let request = requests[number]
        let key = keyIndex(tenant: request.tenant, prompt: request.prompt)
        let listed = pods[pod].board[key]
        if listed >= 0, !request.isNoCache, flights[listed].landing == nil {
            note("request \(number) joins flight \(listed)")
            requests[number].flight = listed
            flights[listed].requests.append(number)
            return deliver(to: number)
        }
        takesOff(number, pod, key)
    }

    private func takesOff(_ number: Int, _ pod: Int, _ key: Int) {
        let request = requests[number]
        let flight = flights.count
        let wish = LeaseMachine.Wish(
            needed: request.isNoCache ? nil : .zero, mayFollow: !request.isNoCache,
            finishWhenLeft: dice.permille(200), deadline: Instant(nanoseconds: now + Self.requestLife))
        let machine = LeaseMachine(
            wish, attempt: AttemptID(high: UInt64(flight + 1), low: dice.next()), settings: settings,
            bugs: bug?.machine ?? [])
        flights.append(
            SimFlight(
                key: key, pod: pod, generation: pods[pod].generations[request.tenant], beganAt: now,
                isNoCache: request.isNoCache, machine: machine, requests: [number]))
        note("request \(number) takes off as flight \(flight) on pod \(pod) for key \(key)")
        requests[number].flight = flight
        flights[flight].finishesWhenLeft = wish.finishWhenLeft
        pods[pod].board[key] = flight
        perform(flights[flight].machine.begin(at: instant), flight)
    }

    /// Hands over what the log has and the caller has not.
    func deliver(to number: Int) {
        let flight = requests[number].flight
        guard requests[number].end == nil else { return }
        if requests[number].pace == 0 {
            while requests[number].readCount < flights[flight].log.count { readsOne(number) }
            endIfRead(number)
        } else if requests[number].readCount == 0 {
            readsOn(number)
        }
    }

    /// A slow caller takes its next chunk.
    func readsOn(_ number: Int) {
        guard requests[number].end == nil, requests[number].flight >= 0 else { return }
        let flight = requests[number].flight
        if requests[number].readCount < flights[flight].log.count { readsOne(number) }
        endIfRead(number)
        let hasMore = requests[number].readCount < flights[flight].log.count || requests[number].readCount > 0
        if requests[number].end == nil, hasMore { agenda.add(.reads(number), at: now + requests[number].pace) }
    }

    private func readsOne(_ number: Int) {
        let tag = flights[requests[number].flight].log[requests[number].readCount]
        judge(tag, to: number)
        requests[number].readCount += 1
    }

    private func endIfRead(_ number: Int) {
        let flight = requests[number].flight
        guard let landing = flights[flight].landing, requests[number].readCount >= flights[flight].log.count else {
            return
        }
        if landing == .complete { judgeComplete(number) }
        end(number, landing == .complete ? .answered : .failed)
    }

    /// The caller has left, or its time is up.
    func leaves(_ number: Int, _ how: Request.End) {
        guard requests[number].end == nil else { return }
        end(number, how)
    }

    func end(_ number: Int, _ how: Request.End) {
        requests[number].end = how
        note("request \(number) \(how)")
        switch how {
        case .answered: tally.answeredCount += 1
        case .failed, .lost:
            tally.failedCount += 1
            retries(number)
        case .left: break
        }
        let flight = requests[number].flight
        guard flight >= 0, flights[flight].landing == nil, flights[flight].diedAt == nil else { return }
        guard flights[flight].requests.allSatisfy({ requests[$0].end != nil }) else { return }
        unlist(flight)
        flights[flight].leftAt = now
        perform(flights[flight].machine.left(at: instant), flight)
    }

    /// Some ask again, at another pod.
    private func retries(_ number: Int) {
        guard requests.count < 24, now < Self.horizon / 2, dice.permille(400) else { return }
        let request = requests[number]
        add(
            tenant: request.tenant, prompt: request.prompt, pod: dice.number(0...pods.count - 1), isNoCache: false,
            at: now + milliseconds(dice.number(1...500)))
    }

    func unlist(_ flight: Int) {
        let (pod, key) = (flights[flight].pod, flights[flight].key)
        if pods[pod].board[key] == flight { pods[pod].board[key] = -1 }
    }
}
