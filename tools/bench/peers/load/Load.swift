/// The load that `tools/bench/peers` puts on every server alike: one thread, a closed loop.
///
///     peer-load fill --peer memcached --address 127.0.0.1:11211 --keys 10000 --size 2048
///     peer-load run  --peer memcached --address unix:/run/m.sock --keys 10000 --size 2048 --in-flight 16
///
/// `fill` stores each key's value once (in a sidecar with PUT; SAMOVAR_ADMIN_TOKEN is the admin token), `once` asks for
/// each key once, `run` asks for them with a Zipf distribution for some seconds. All print one line of JSON. Every value
/// is checked: its length, and bytes at both ends that depend on the key. Ends with 1 where something could not be read.
@main
struct Load {
    static func main() {
        do throws(Fault) {
            let options = try Options(Array(CommandLine.arguments.dropFirst()))
            print(try perform(options).json)
        } catch {
            fail(error.reason)
        }
    }

    private static func perform(_ options: Options) throws(Fault) -> Outcome {
        if options.peer == .http {
            let entries = try Entries(file: options.requests, count: options.keys)
            return try loop(HTTP(entries, options), options)
        }
        let entries = Entries(count: options.keys, size: options.size)
        switch (options.verb, options.peer) {
        case (.fill, .memcached): return try loop(MemcachedSet(entries), options)
        case (.fill, .redis): return try loop(RedisSet(entries), options)
        case (.fill, _):
            // Stored first, then asked for once with digest and body, so that the two are known together.
            _ = try loop(Samovar(.put, entries), options)
            return try loop(Samovar(.learn, entries), options)
        case (_, .memcached): return try loop(MemcachedGet(entries), options)
        case (_, .redis): return try loop(RedisGet(entries), options)
        case (_, .samovar): return try loop(Samovar(.digest, entries), options)
        case (_, _): return try loop(Samovar(.body, entries), options)
        }
    }

    private static func loop<D: Dialect>(_ dialect: D, _ options: Options) throws(Fault) -> Outcome {
        var loop = try ClosedLoop(dialect, options)
        return try loop.run()
    }
}
