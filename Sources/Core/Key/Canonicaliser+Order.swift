extension Canonicaliser {
    /// Looks for a name that an object of many members has twice. O(members log members).
    func refuseDuplicates(since first: Int, at place: Int) throws(BodyError) {
        guard members.count - first > Self.comparedAsTheyCome else { return }
        let sorted = members.sorted(since: first, in: output)
        for index in sorted.indices.dropFirst() where sorted[index].hasName(of: sorted[index - 1], in: output) {
            throw .duplicateMember(at: place)
        }
    }

    /// Puts the members of an object in order, where they stand.
    ///
    /// All but the largest step aside, the largest goes to its place in one move, the others come back: most of a
    /// message is its content, which is moved once.
    mutating func sort(since first: Int) {
        let start = members[first].name.lowerBound
        sortMembers(since: first)
        var largest = first
        for index in first..<members.count where members[index].count > members[largest].count { largest = index }
        aside.clear()
        var place = start
        for index in first..<members.count where index != largest {
            if index < largest { place += members[index].count + 1 }
            aside.append(output.bytes(members[index].range))
        }
        output.move(members[largest].range, to: place)
        place = start
        var taken = 0
        for index in first..<members.count {
            let count = members[index].count
            if index > first {
                output.overwrite(at: place, with: UInt8(ascii: ","))
                place += 1
            }
            if index != largest {
                output.overwrite(at: place, with: aside.bytes(taken..<taken + count))
                taken += count
            }
            place += count
        }
    }

    /// Sorts the records of the innermost object. Few by insertion, which allocates nothing.
    mutating func sortMembers(since first: Int) {
        guard members.count - first <= Self.comparedAsTheyCome else {
            let sorted = members.sorted(since: first, in: output)
            members.cut(to: first)
            for member in sorted { members.append(member) }
            return
        }
        for index in first + 1..<members.count {
            let member = members[index]
            var place = index
            while place > first, member.precedes(members[place - 1], in: output) {
                members[place] = members[place - 1]
                place -= 1
            }
            members[place] = member
        }
    }
}
