"""One plan, carried out against one front."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from benchlib.figures import percentile
from benchlib.servers import Server

from . import goals
from .load import OpenLoop, Outcome, spelled
from .plan import Plan
from .provider import Provider
from .watch import Sight, Watch, between

# To read the plan, before its zero.
_READING_SECONDS = 1.5


@dataclasses.dataclass(frozen=True)
class Cue:
    """Something that happens to the provider, so many seconds after the beginning."""

    at: float
    action: Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Run:
    """What was seen."""

    title: str
    outcomes: Sequence[Outcome]
    sights: Sequence[Sight]
    cpu_seconds: float
    concurrent_max: int
    # Counts at the beginning of each cue.
    at_cues: Sequence[Counter[str]] = ()
    # From when to when the provider was made to fail; nothing, when it was not.
    fault: tuple[float, float] | None = None

    @property
    def late_ms(self) -> float:
        """How late requests were sent, at p99."""
        return percentile([outcome.late for outcome in self.outcomes], 0.99) * 1e3

    @property
    def is_valid(self) -> bool:
        return self.late_ms <= goals.LATE_MS_MAX

    def tally(self, group: str | None = None, since: float = 0, until: float = float("inf")) -> Tally:
        """Of those that were planned in a span."""
        return Tally([
            one for one in self.outcomes
            if (group is None or one.arrival.group == group) and since <= one.arrival.due < until
        ])  # fmt: skip

    @property
    def upstream(self):
        """All calls."""
        return between(Counter(), self.sights[-1].calls)


class Tally:
    """Requests, counted."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes
        self.offered = len(outcomes)
        self.kinds = Counter(outcome.kind for outcome in outcomes)
        self.labels = Counter(outcome.label for outcome in outcomes if outcome.kind == "success")
        self.codes = Counter(f"{one.status} {one.code}" for one in outcomes if one.code)
        self.milliseconds = sorted(one.seconds * 1e3 for one in outcomes if one.kind == "success")

    def percent(self, *kinds: str) -> float:
        """Share of all requests."""
        return 100 * sum(self.kinds[kind] for kind in kinds) / self.offered if self.offered else 0.0

    @property
    def success(self) -> float:
        return self.percent("success")

    @property
    def unanswered(self) -> int:
        """Neither the primary's nor a lighter or fixed answer, and no wrong one."""
        return self.offered - sum(self.kinds[kind] for kind in ("success", "lighter", "fixed", "wrong"))

    @property
    def mean(self) -> float:
        """Milliseconds of the successes."""
        return sum(self.milliseconds) / len(self.milliseconds) if self.milliseconds else float("nan")

    def quantile(self, share: float) -> float:
        """Milliseconds of the successes."""
        return percentile(self.milliseconds, share) if self.milliseconds else float("nan")

    def not_fresh(self) -> int:
        """Requests that nothing fresh could answer: all but hits and followers."""
        return sum(not (one.kind == "success" and one.label in ("HIT", "COALESCED")) for one in self.outcomes)


def carry_out(
    title: str, plan: Plan, load: OpenLoop, provider: Provider, server: Server | None, headers: Sequence[str] = (),
    cues: Sequence[Cue] = (),
) -> Run:  # fmt: skip
    """Runs to the end. `server` is None where the provider is asked itself."""
    asked = plan.with_headers(*headers) if headers else plan
    data = spelled(asked)
    port = server.port if server else provider.port
    cpu = server.process.cpu_seconds if server else 0.0
    start = time.monotonic() + _READING_SECONDS
    stage = _Stage(cues, provider, start)
    with Watch(provider, server, start) as watch, stage:
        outcomes = load.run(port, data, asked.arrivals, start)
        last = watch.look()
    spent = server.process.cpu_seconds - cpu if server else 0.0
    return Run(title, outcomes, [*watch.sights, last], spent, provider.concurrent_max, stage.counts)


class _Stage:
    """Gives the cues, on a thread of its own. What goes wrong there is raised when the block is left."""

    def __init__(self, cues: Sequence[Cue], provider: Provider, start: float) -> None:
        self.counts: list[Counter[str]] = []
        self._cues = cues
        self._provider = provider
        self._start = start
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> _Stage:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            self._over.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _play(self) -> None:
        try:
            for cue in self._cues:
                if self._over.wait(max(0.0, self._start + cue.at - time.monotonic())):
                    return
                self.counts.append(self._provider.calls())
                cue.action()
        except Exception as error:  # noqa: BLE001  carried to the thread that waits
            self._error = error
