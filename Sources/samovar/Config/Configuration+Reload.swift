extension Configuration {
    /// The paths of the keys that differ from `old` and take effect only with the next start. All others change with
    /// a reload: routes, passthrough, prices, most limits, the cache's times, drain, log, debug headers.
    func changesNeedingRestart(from old: Configuration) -> [String] {
        Self.keys.changes(old, self, at: "")
    }
}
