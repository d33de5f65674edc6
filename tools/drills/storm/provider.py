"""The stand-in provider of a storm: what it can bear, what it answers, and how it is made to fail."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

from benchlib.process import free_port
from benchlib.servers import Bench, Server

CAPACITY_PER_SECOND, CAPACITY_BURST, CONCURRENT_MAX, ANSWER_MS = 50, 500, 64, 300
# Of every answer; the lighter model is known by its answers' length.
TOKENS, LIGHTER_TOKENS = 40, 8
# A stream takes as long as a body: first token after 100 ms, then one every 5 ms.
FIRST_TOKEN_MS, TOKEN_MS = 100, 5

_HEALTHY: dict[str, object] = {
    "json_ms": ANSWER_MS, "first_token_ms": FIRST_TOKEN_MS, "token_ms": TOKEN_MS, "status": None, "silent_ms": 0,
    "cut_after_tokens": None,
}  # fmt: skip


class Provider:
    """One that counts on through its own death."""

    def __init__(self, bench: Bench, core: int | None) -> None:
        self._bench = bench
        self._core = core
        self._port = free_port()
        self._before: Counter[str] = Counter()
        # Who counts must not meet a provider that is half dead.
        self._lock = threading.Lock()
        self._server: Server | None = self._start()

    @property
    def port(self) -> int:
        return self._port

    @property
    def server(self) -> Server:
        """The one that runs now."""
        assert self._server
        return self._server

    def change(self, **settings: object) -> None:
        """Changes settings of its /control."""
        if self._server:
            self._server.get_json("/control", settings)

    def heal(self) -> None:
        """Back to what it can bear."""
        self.change(**_HEALTHY)

    def kill(self) -> None:
        """As if its machine had lost power. What it had counted is kept here."""
        with self._lock:
            assert self._server
            self._before = self._calls()
            os.kill(self._server.process.pid, signal.SIGKILL)
            self._server.process.__exit__()
            self._server = None

    def restart(self) -> None:
        """A new one on the same port."""
        with self._lock:
            self._server = self._start()

    def calls(self) -> Counter[str]:
        """Calls so far, by the status that they were answered with."""
        with self._lock:
            return self._calls()

    def _calls(self) -> Counter[str]:
        seen = Counter(self._before)
        if self._server:
            seen.update(self._server.get_json("/counts")["by_status"])
        return seen

    @property
    def concurrent_max(self) -> int:
        """The most calls that it has answered at once, since it last started."""
        return int(self._server.get_json("/counts")["concurrent_max"]) if self._server else 0

    def _start(self) -> Server:
        flags = {
            "--listen": f"127.0.0.1:{self._port}", "--capacity-per-second": CAPACITY_PER_SECOND,
            "--capacity-burst": CAPACITY_BURST, "--concurrent-max": CONCURRENT_MAX, "--tokens": TOKENS,
            "--json-ms": ANSWER_MS, "--first-token-ms": FIRST_TOKEN_MS, "--token-ms": TOKEN_MS,
        }  # fmt: skip
        return self._bench.provider(*(str(word) for flag in flags.items() for word in flag), core=self._core)


def lighter(bench: Bench, core: int | None) -> Server:
    """The lighter model: quick, and never busy."""
    return bench.provider("--tokens", str(LIGHTER_TOKENS), "--json-ms", "20", core=core)
