import SamovarCore
import SamovarEngine

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Bytes an entry. One figure for each process: what one measurement gives back, the next would not be seen to take.
enum Memory {
    /// What the cache needs beside the values.
    static func ofCache(entries: Int) {
        let before = residentBytes()
        var cache = BoundedCache<RequestKey, UInt64, LRUPolicy>(weightMax: entries)
        for number in 0..<entries { cache.set(RequestKey(number: number), 1, weight: 1) }
        let growth = residentBytes() - before
        guard cache.count == entries else { fail("the cache does not keep what it has room for") }
        let values = entries * MemoryLayout<UInt64>.size
        print(
            """
            {"entries": \(entries), "computed_overhead": \(perEntry(cache.byteCount - values, entries)), \
            "resident_overhead": \(perEntry(growth - values, entries))}
            """)
    }

    /// What the memory cache needs for answers of 2 KiB, and what it says that it needs.
    static func ofAnswers(entries: Int) {
        let before = residentBytes()
        let cache = MemoryCache(sizeMax: 4 << 30, itemSizeMax: 1 << 20, metrics: Metrics())
        var stored = 0
        for number in 0..<entries {
            let answer = StoredAnswer.made(size: 2_048)
            stored += answer.answer.recording.coded.count
            cache.set(RequestKey(number: number), answer)
        }
        let growth = residentBytes() - before
        let fill = cache.fill
        guard fill.count == entries else { fail("the memory cache does not keep what it has room for") }
        print(
            """
            {"entries": \(entries), "resident_per_stored": \(Double(growth) / Double(stored)), \
            "counted_per_resident": \(Double(fill.byteCount) / Double(growth)), \
            "resident_overhead": \(perEntry(growth - stored, entries))}
            """)
    }

    private static func perEntry(_ byteCount: Int, _ entries: Int) -> Double { Double(byteCount) / Double(entries) }

    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { fail("cannot read /proc/self/statm") }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { fail("cannot read /proc/self/statm") }
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let columns = text.split(separator: " ")
        guard columns.count > 1, let pages = Int(columns[1]) else { fail("cannot read /proc/self/statm") }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
