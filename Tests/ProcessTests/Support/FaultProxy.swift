import Glibc
import Synchronization

/// A TCP proxy that does wrong on purpose, to what comes back from its target.
final class FaultProxy: Sendable {
    enum Fault: Sendable {
        case none
        /// Closes both sides after so many bytes of the reply.
        case cut(after: Int)
        /// Hands the reply on in pieces of 1 to `max` bytes, each on its own.
        case dribble(max: Int, seed: UInt64)
        /// Hands every piece of the reply on so much later.
        case delay(milliseconds: UInt32)
        /// Takes everything, answers nothing.
        case blackHole
    }

    private let listening: ListeningSocket
    private let target: SocketAddress
    private let fault: Mutex<Fault>
    private let callersCount = Atomic(0)
    private let hushed = Mutex<Set<Int32>>([])
    private let open = Mutex<(descriptors: Set<Int32>, isOver: Bool)>(([], false))

    init(to target: SocketAddress, _ fault: Fault = .none) throws {
        self.target = target
        self.fault = Mutex(fault)
        listening = try ListeningSocket()
        let (listening, weak) = (listening, WeakProxy(self))
        thread {
            while true {
                let caller = accept(listening.descriptor, nil, nil)
                _ = fcntl(caller, F_SETFD, FD_CLOEXEC)
                guard caller >= 0, let proxy = weak.proxy, proxy.admit(caller) else { return }
                thread { proxy.serve(caller) }
            }
        }
    }

    deinit { end() }

    var address: SocketAddress { listening.address }
    var url: String { "http://\(address)/v1" }

    /// How many sockets are open, two for each connection that is passed on.
    var openCount: Int { open.withLock { $0.descriptors.count } }

    /// How many bytes callers have sent.
    var callersByteCount: Int { callersCount.load(ordering: .relaxed) }

    /// Nothing is passed on any more over the connections that are open, in either direction, and none of them is closed;
    /// those that come later are served.
    func hush() {
        hushed.withLock { hushed in open.withLock { hushed.formUnion($0.descriptors) } }
    }

    /// For connections from now on.
    func set(_ new: Fault) { fault.withLock { $0 = new } }

    /// Closes all that is open and takes no more.
    func end() {
        shutdown(listening.descriptor, Int32(SHUT_RDWR))
        open.withLock { open in
            open.isOver = true
            for descriptor in open.descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    private func admit(_ descriptor: Int32) -> Bool {
        let isAdmitted = open.withLock { open in
            guard !open.isOver else { return false }
            open.descriptors.insert(descriptor)
            return true
        }
        if !isAdmitted { close(descriptor) }
        return isAdmitted
    }

    private func isHushed(_ descriptor: Int32) -> Bool { hushed.withLock { $0.contains(descriptor) } }

    private func dismiss(_ descriptor: Int32) {
        hushed.withLock { _ = $0.remove(descriptor) }
        open.withLock { _ = $0.descriptors.remove(descriptor) }
        close(descriptor)
    }

    private func serve(_ caller: Int32) {
        defer { dismiss(caller) }
        let fault = fault.withLock { $0 }
        guard let upstream = try? target.makeSocket(), admit(upstream) else { return }
        defer { dismiss(upstream) }
        guard target.with({ connect(upstream, $0, $1) }) == 0 else { return }
        var one: Int32 = 1
        setsockopt(caller, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var passed = 0
        var noise = SplitMix(state: 0)
        if case .dribble(_, let seed) = fault { noise = SplitMix(state: seed) }
        while true {
            var events = [pollfd(fd: caller, events: Int16(POLLIN), revents: 0)]
            events.append(pollfd(fd: upstream, events: Int16(POLLIN), revents: 0))
            guard poll(&events, 2, 60_000) > 0 else { return }
            if events[0].revents != 0 {
                guard let bytes = read(caller) else { return }
                callersCount.add(bytes.count, ordering: .relaxed)
                if case .blackHole = fault { continue }
                if isHushed(caller) { continue }
                guard write(bytes[...], to: upstream) else { return }
            }
            if events[1].revents != 0 {
                guard let bytes = read(upstream) else { return }
                if isHushed(caller) { continue }
                switch fault {
                case .none:
                    guard write(bytes[...], to: caller) else { return }
                case .delay(let milliseconds):
                    usleep(milliseconds * 1_000)
                    guard write(bytes[...], to: caller) else { return }
                case .blackHole: break
                case .cut(let after):
                    let part = bytes.prefix(after - passed)
                    passed += part.count
                    guard write(part, to: caller), passed < after else { return }
                case .dribble(let max, _):
                    guard dribble(bytes, to: caller, max, &noise) else { return }
                }
            }
        }
    }

    private func dribble(_ bytes: [UInt8], to descriptor: Int32, _ max: Int, _ noise: inout SplitMix) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...max, using: &noise))
            rest = rest.dropFirst(piece.count)
            guard write(piece, to: descriptor) else { return false }
            // Lets the reader take this piece before the next one comes.
            usleep(50)
        }
        return true
    }

    private func read(_ descriptor: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? Array(bytes[..<count]) : nil
    }

    private func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// A row of numbers that look random and are the same each time (Steele, Lea, Flood, 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// The accepting thread must not keep the proxy alive.
private final class WeakProxy: @unchecked Sendable {
    weak var proxy: FaultProxy?

    init(_ proxy: FaultProxy) { self.proxy = proxy }
}

/// Runs it on a thread of its own.
func thread(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(Body(body))
    var handle = pthread_t()
    let code = pthread_create(
        &handle, nil,
        { pointer in
            Unmanaged<Body>.fromOpaque(pointer!).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
    precondition(code == 0, "no thread")
    pthread_detach(handle)
}

private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
