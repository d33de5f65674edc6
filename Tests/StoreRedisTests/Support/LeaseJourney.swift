import SamovarCore
import SamovarEngine

@testable import SamovarStoreRedis

/// A call that two pods share: Alice leads, hears that Bob follows, publishes and commits; Bob gets it all.
struct LeaseJourney: Sendable {
    let acquired: String
    let followed: String
    let isPublished: Bool
    let commit: CommitReply
    let entryCount: Int
    let found: StoredAnswer?

    /// What a journey without trouble is like.
    func isGood(_ answer: Answer) -> Bool {
        acquired == "leads" && followed == "follows" && isPublished && commit == .stored && entryCount == 2
            && same(found?.answer, answer)
    }

    init(_ number: Int, _ answer: Answer, alice: RedisStore, bob: RedisStore) async {
        let key = Sample.key(number)
        let leader = attempt(UInt64(number) * 2)
        let form = PublishedForm(.stream, usageAsked: true)
        let (heard, interest) = (Heard(), Bell())
        alice.announce(leader) { interest.ring() }
        _ = await alice.news.listens()
        acquired = await alice.acquire(key, for: leader, needed: .zero).word
        let reply = await bob.acquire(key, for: attempt(UInt64(number) * 2 + 1), needed: .zero)
        followed = reply.word
        guard let sight = reply.sight else {
            (isPublished, commit, entryCount, found) = (false, .unavailable, 0, nil)
            return
        }
        let following = bob.follow(key, sight) { heard.receive($0) }
        await interest.rung()
        let chunk = Chunk(bytes: Array("data: {}\n\n".utf8), usage: .nowhere)
        isPublished = await alice.publish(key, leader, [.chunks(first: 0, form, [chunk])])
        commit = await alice.commit(
            key, for: leader, answer, end: .end(count: 1, form, usage: nil, isStored: true))
        entryCount = await heard.entries().count
        bob.unfollow(following)
        alice.withdraw(leader)
        found = await bob.get(key)
    }
}
