extension Configuration {
    /// The configuration as YAML, with every key. No secret is in it: it holds only the names of variables, and the
    /// password in the URL of Redis is masked.
    func render() -> String {
        ConfigurationNode(rendering: resolved, Self.keys).yaml()
    }
}
