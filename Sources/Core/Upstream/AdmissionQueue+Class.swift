extension AdmissionQueue {
    /// Flights of one class, by tenant and model.
    struct ClassQueue: Sendable {
        /// What one tenant waits for from one model.
        private struct Line: Sendable {
            var best = IndexedHeap<Ticket, Rank>()
            var worst = IndexedHeap<Ticket, WorstFirst>()
        }

        private struct Member: Sendable {
            var count = 0
            var lines: [String: Line] = [:]

            var worst: Rank? { lines.values.compactMap { $0.worst.first?.rank.rank }.max() }
        }

        private var members: [Tenant: Member] = [:]
        private var shares = FairShare<Tenant>()
        private(set) var countByModel = ModelCounts()
        private(set) var count = 0

        var isEmpty: Bool { count == 0 }
        func count(of tenant: Tenant) -> Int { members[tenant]?.count ?? 0 }

        mutating func insert(_ place: Place, _ rank: Rank) {
            if members[place.tenant] == nil { shares.joins(place.tenant) }
            members[place.tenant, default: Member()].count += 1
            members[place.tenant]?.lines[place.model, default: Line()].best.insert(place.ticket, rank)
            members[place.tenant]?.lines[place.model]?.worst.insert(place.ticket, WorstFirst(rank: rank))
            countByModel.add(place.model)
            count += 1
        }

        mutating func remove(_ place: Place) {
            guard members[place.tenant]?.lines[place.model]?.best.remove(place.ticket) != nil else { return }
            members[place.tenant]?.lines[place.model]?.worst.remove(place.ticket)
            count -= 1
            countByModel.remove(place.model)
            members[place.tenant]?.count -= 1
            if members[place.tenant]?.lines[place.model]?.best.isEmpty == true {
                members[place.tenant]?.lines[place.model] = nil
            }
            guard members[place.tenant]?.count == 0 else { return }
            members[place.tenant] = nil
            shares.leaves(place.tenant)
        }

        mutating func grant(_ place: Place) {
            shares.charge(place.tenant, place.work)
            remove(place)
        }

        /// Every order below is total, so it does not matter in which order a dictionary is gone through.
        func next(ignoringShares: Bool, where mayGo: (Tenant, String) -> Bool) -> Ticket? {
            var eligible: Rank?
            var ahead: (start: Double, rank: Rank)?
            for (tenant, member) in members {
                let isEligible = ignoringShares || shares.isEligible(tenant)
                for (model, line) in member.lines {
                    guard let rank = line.best.first?.rank, mayGo(tenant, model) else { continue }
                    if isEligible {
                        eligible = eligible.map { min($0, rank) } ?? rank
                    } else {
                        let other = (start: shares.start(of: tenant), rank: rank)
                        ahead = ahead.map { $0 < other ? $0 : other } ?? other
                    }
                }
            }
            return (eligible ?? ahead?.rank)?.ticket
        }

        /// The tenant with the most flights, and the flight of them that goes last. O(tenants).
        var longest: (tenant: Tenant, count: Int, worst: Rank)? {
            var found: (tenant: Tenant, count: Int, worst: Rank)?
            for (tenant, member) in members where member.count >= found?.count ?? 0 {
                guard let worst = member.worst else { continue }
                if let found, member.count == found.count, worst < found.worst { continue }
                found = (tenant, member.count, worst)
            }
            return found
        }

        func aheadCount(of tenant: Tenant) -> Int {
            let own = count(of: tenant) + 1
            var ahead = own - 1
            for (other, member) in members where other != tenant { ahead += min(member.count, own) }
            return ahead
        }
    }

    /// How many flights wait for each model.
    struct ModelCounts: Sendable {
        private var counts: [String: Int] = [:]

        mutating func add(_ model: String) { counts[model, default: 0] += 1 }

        mutating func remove(_ model: String) {
            let count = counts[model, default: 1] - 1
            counts[model] = count > 0 ? count : nil
        }

        func hasOther(than model: String) -> Bool { counts.count > (counts[model] == nil ? 0 : 1) }
    }
}
