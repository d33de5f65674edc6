/// What became of the wish to lead.
public enum LeaseReply: Sendable {
    /// There is an answer that will do.
    case hit(StoredAnswer)
    /// This attempt has the lease. With it what is stored and not fresh enough, if anything is.
    case leads(LeaseSight, StoredAnswer?)
    /// Another attempt has it.
    case follows(LeaseSight, StoredAnswer?)
    /// Its leading pods died too often: the request is suspected of being the reason.
    case poisoned
    /// Nothing was learned.
    case unavailable
}

public enum RenewReply: Hashable, Sendable {
    /// - Parameter isFollowed: whether a pod has said that it follows, and not too long ago.
    case renewed(isFollowed: Bool)
    /// It is another's now, or nobody's.
    case lost
    case unavailable
}

public enum CommitReply: Hashable, Sendable {
    case stored
    /// The lease was another's, or nobody's: nothing was stored.
    case lost
    case unavailable
}

/// What a follower hears.
public enum FollowNews: Sendable {
    /// In the order in which they were published; indices tell of any that are missing.
    case entries([PublishedEntry])
    /// A look at the lease itself, now and again, nil where there is none any more.
    case sight(LeaseSight?)
    /// What came is not this attempt's, or damaged: nothing more will come.
    case unreadable
    /// Redis did not answer several times in a row: nothing more will come.
    case unavailable
}
