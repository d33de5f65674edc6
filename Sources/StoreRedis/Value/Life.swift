import SamovarCore

extension Answer {
    /// How much of its life is left by the clock on the wall, at most all of it: pods' clocks differ, and one that is
    /// behind does not make answers live longer.
    func remaining(at wallNow: WallTime) -> Duration {
        min(life, life - createdAt.duration(to: wallNow))
    }
}
