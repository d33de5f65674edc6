/// What comes from outside, thrown before the schedule begins.
extension Schedule {
    func plan() {
        // Callers come in bursts: that is what coalescing is about.
        for _ in 0..<dice.number(1...4) {
            let at = milliseconds(dice.number(10...12_000))
            let tenant = dice.number(0...tenantCount - 1)
            let prompt = dice.number(0...promptCount - 1)
            for _ in 0..<dice.number(1...5) {
                let isOfOther = dice.permille(200)
                add(
                    tenant: isOfOther ? (tenant + 1) % tenantCount : tenant, prompt: prompt,
                    pod: dice.number(0...pods.count - 1), isNoCache: dice.permille(50),
                    at: at
                        + (dice.permille(500)
                            ? microseconds(dice.number(0...5_000)) : milliseconds(dice.number(0...3_000))))
            }
        }
        guard faults.hasEvents else { return }
        for _ in 0..<dice.number(0...4) { planFault(at: milliseconds(dice.number(10...16_000))) }
    }

    func add(tenant: Int, prompt: Int, pod: Int, isNoCache: Bool, at time: Int64) {
        let pace = dice.permille(100) ? milliseconds(dice.number(50...600)) : 0
        requests.append(
            Request(
                tenant: tenant, prompt: prompt, isNoCache: isNoCache, arrivedAt: time, pace: pace, pod: pod))
        let request = requests.count - 1
        agenda.add(.arrives(request), at: time)
        agenda.add(.isDue(request), at: time + Self.requestLife)
        if dice.permille(100) { agenda.add(.leaves(request), at: time + milliseconds(dice.number(1...4_000))) }
    }

    private func planFault(at time: Int64) {
        tally.faultCount += 1
        let pod = dice.number(0...pods.count - 1)
        let key = dice.number(0...tenantCount * promptCount - 1)
        switch dice.number(0...12) {
        case 0, 1: agenda.add(.crash(pod), at: time)
        case 2, 3:
            let length = dice.permille(500) ? dice.number(20...2_500) : dice.number(2_500...9_000)
            agenda.add(.pause(pod, milliseconds(length)), at: time)
        case 4:
            agenda.add(.snapshot, at: time - milliseconds(dice.number(0...1_500)))
            agenda.add(.failover, at: time)
        case 5:
            agenda.add(.down, at: time)
            agenda.add(.up, at: time + milliseconds(dice.number(20...4_000)))
        case 6: agenda.add(.jump(milliseconds(dice.permille(500) ? 60_000 : -600_000)), at: time)
        case 7: agenda.add(.evict(key), at: time)
        case 8, 9: agenda.add(.purge(key), at: time)
        case 10:
            agenda.add(.freeze(milliseconds(dice.number(20...4_000))), at: time)
        case 11: agenda.add(.raise(tenant: dice.number(0...tenantCount - 1)), at: time)
        default: agenda.add(.drain(pod), at: time)
        }
    }
}
