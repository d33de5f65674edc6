"""Turns what a run saw into series over time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from benchlib.figures import percentile

from .load import Outcome
from .plot import Plot, Point, Series
from .runs import Run
from .watch import Sight

# In the order in which they are stacked: what it is called, its colour, and whether an outcome is one.
_RESULTS: Sequence[tuple[str, str, Callable[[Outcome], bool]]] = (
    ("hit", "hit", lambda one: one.kind == "success" and one.label == "HIT"),
    ("coalesced", "coalesced", lambda one: one.kind == "success" and one.label == "COALESCED"),
    ("from upstream", "miss", lambda one: one.kind == "success" and one.label in ("MISS", "BYPASS")),
    ("answered, not said from where", "answered", lambda one: one.kind == "success" and not one.label),
    ("stale", "stale", lambda one: one.kind == "success" and one.label == "STALE"),
    ("lighter", "lighter", lambda one: one.kind == "lighter"),
    ("fixed", "fixed", lambda one: one.kind == "fixed"),
    ("429", "throttled", lambda one: one.kind == "429"),
    ("503 and other errors", "refused", lambda one: one.kind not in ("success", "lighter", "fixed", "429", "timeout")),
    ("gave up", "timeout", lambda one: one.kind == "timeout"),
)


def plots(run: Run) -> list[Plot]:
    """Requests by result, upstream calls, queue, latencies."""
    seconds = max(run.sights[-1].at, run.outcomes[-1].arrival.due)
    step = 0.5 if seconds <= 45 else 1.0
    found = [
        Plot("Offered, and answered by result", seconds, _answered(run, step, seconds), [_offered(run, step, seconds)],
             "per s", fault=run.fault),
        Plot("Upstream calls", seconds, _upstream(run.sights), unit="per s", fault=run.fault),
    ]  # fmt: skip
    queue = [
        _gauge(run.sights, "queue_flights", "flights in the queue", "stale"),
        _gauge(run.sights, "flights", "flights", "miss"),
        _gauge(run.sights, "permits", "permits in use", "hit"),
    ]
    if any(series.is_there for series in queue):
        found.append(Plot("Queue", seconds, lines=queue, unit="flights", fault=run.fault))
    found.append(
        Plot("Latency of successes, by planned time", seconds, lines=_latencies(run, step, seconds), unit="ms",
             logarithmic=True, fault=run.fault)
    )  # fmt: skip
    return found


def _offered(run: Run, step: float, seconds: float) -> Series:
    counts = Counter(int(one.arrival.due / step) for one in run.outcomes)
    return Series("offered", "offered", _rates(counts, step, seconds))


def _answered(run: Run, step: float, seconds: float) -> list[Series]:
    return [
        Series(
            name, colour, _rates(Counter(int(one.ended / step) for one in run.outcomes if matches(one)), step, seconds)
        )
        for name, colour, matches in _RESULTS
    ]


def _rates(counts: Counter[int], step: float, seconds: float) -> list[Point]:
    return [((place + 0.5) * step, counts[place] / step) for place in range(math.ceil(seconds / step))]


def _upstream(sights: Sequence[Sight]) -> list[Series]:
    kinds = (
        ("admitted", "hit", lambda calls: calls["200"]),
        ("429", "throttled", lambda calls: calls["429"]),
        ("503 and other errors", "refused", lambda calls: calls.total() - calls["200"] - calls["429"]),
    )
    return [
        Series(name, colour, [
            (later.at, max(0.0, count(later.calls) - count(earlier.calls)) / (later.at - earlier.at))
            for earlier, later in zip(sights, sights[1:], strict=False) if later.at > earlier.at
        ])
        for name, colour, count in kinds
    ]  # fmt: skip


def _gauge(sights: Sequence[Sight], name: str, title: str, colour: str) -> Series:
    return Series(title, colour, [(sight.at, sight.gauges.get(name, math.nan)) for sight in sights])


def _latencies(run: Run, step: float, seconds: float) -> list[Series]:
    by_place: defaultdict[int, list[float]] = defaultdict(list)
    for one in run.outcomes:
        if one.kind == "success":
            by_place[int(one.arrival.due / step)].append(one.seconds * 1e3)
    return [
        Series(name, colour, [
            ((place + 0.5) * step, percentile(by_place[place], share) if place in by_place else math.nan)
            for place in range(math.ceil(seconds / step))
        ])
        for name, colour, share in (("p50", "hit", 0.5), ("p99", "refused", 0.99))
    ]  # fmt: skip
