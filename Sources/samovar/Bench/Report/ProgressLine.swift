import Glibc

/// One line on standard error that is written over, where that is a terminal.
struct ProgressLine: Sendable {
    private let isShown: Bool

    init(isShown: Bool) { self.isShown = isShown && isatty(STDERR_FILENO) == 1 }

    func show(_ text: String) {
        if isShown { emit("\r\(text)\u{1B}[K", to: STDERR_FILENO) }
    }

    func clear() {
        if isShown { emit("\r\u{1B}[K", to: STDERR_FILENO) }
    }
}
