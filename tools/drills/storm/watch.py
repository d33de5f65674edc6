"""What is looked at while a storm goes on: the provider's counts and the sidecar's gauges, twice a second."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence

from benchlib.servers import Server

from .provider import Provider

_GAP = 0.5
_GAUGES = "queue_flights|flights|permits|concurrency_limit|pace_requests_per_second"
_GAUGE = re.compile(rf"^samovar_({_GAUGES})(?:\{{[^}}]*\}})? (\S+)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Sight:
    """One look, so many seconds after the beginning."""

    at: float
    # Calls since the beginning, by status.
    calls: Counter[str]
    # Of the sidecar, sums over labels; what it does not have is not here.
    gauges: dict[str, float]


class Watch:
    """Looks from `start` on, on a thread of its own, until the `with` block is left."""

    def __init__(self, provider: Provider, server: Server | None, start: float) -> None:
        self.sights: list[Sight] = []
        self._provider = provider
        self._metrics = server.admin if server else ""
        self._start = start
        self._before = provider.calls()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> Sight:
        calls = self._provider.calls()
        calls.subtract(self._before)
        return Sight(time.monotonic() - self._start, calls, self._gauges())

    def _look_on(self) -> None:
        due = self._start
        while not self._over.wait(max(0.0, due - time.monotonic())):
            try:
                self.sights.append(self.look())
            except (OSError, ValueError, urllib.error.URLError):
                pass  # The provider is being killed: the next look sees it, or its successor.
            due += _GAP

    def _gauges(self) -> dict[str, float]:
        if not self._metrics:
            return {}
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=10) as reply:
            return gauges(reply.read().decode())


def gauges(text: str) -> dict[str, float]:
    """The gauges in a page of /metrics that are shown, each summed over its labels."""
    sums: dict[str, float] = {}
    for name, value in _GAUGE.findall(text):
        sums[name] = sums.get(name, 0) + float(value)
    return sums


@dataclasses.dataclass(frozen=True)
class Between:
    """Calls between two instants."""

    calls: int
    admitted: int
    throttled: int


def between(earlier: Counter[str], later: Counter[str]) -> Between:
    seen = Counter(later)
    seen.subtract(earlier)
    return Between(seen.total(), seen["200"], seen["429"])


def calls_at(sights: Sequence[Sight], at: float) -> Counter[str]:
    """As last seen before an instant."""
    return next((sight.calls for sight in reversed(sights) if sight.at <= at), Counter())
