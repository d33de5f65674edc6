"""The targets of the articles behind this drill: mean response, errors, rate, availability over an outage."""

from __future__ import annotations

import dataclasses

from . import goals, ramp
from .fronts import best_sidecar
from .load import Outcome
from .plan import Arrival, Plan, Question, instants, zipf
from .runs import Cue, Run, carry_out
from .setting import Found, Setting, milliseconds, say

SUMMARY = "3,000 r/s on what the ramp left, with an outage in the middle; direct beside it"
_RATE, _TTL = 3_000, "20s"


def run(setting: Setting) -> Found:
    seconds = setting.lasting(30, 9)
    outage = (seconds / 3, seconds * 2 / 3)
    found = Found(
        "targets", "The articles' targets",
        f"{_RATE:,} r/s for {seconds:.0f} s, zipf(1.0) over {ramp.KEYS:,} prompts, after the ramp; ttl {_TTL}; the "
        f"provider is at 100 % errors from {outage[0]:.0f} s to {outage[1]:.0f} s. The articles have 1,200 ms, 8 % "
        f"errors and 500 r/s before; here 'before' is the direct run",
        ("front", "offered", "success %", "unanswered %", "lighter or fixed %", "mean ms", "p99 ms", "successes/s",
         "available %", "upstream"),
    )  # fmt: skip
    before = _meet(setting, found, "direct", seconds, outage)
    ours = _meet(setting, found, "ours", seconds, outage)
    # After a shortened ramp much was never asked before: what that costs is only told.
    is_whole = not setting.quick
    tally, was = ours[1].tally(), before[1].tally()
    found.judge(before, "before (direct): mean response of successes", [was.mean], "ms")
    found.judge(ours, "ours: mean response of successes", [tally.mean], "ms", at_most=goals.MEAN_MS_MAX)
    found.judge(before, "before (direct): requests without an answer", [_errors(before[1])], "%")
    found.judge(ours, "ours: requests without an answer", [_errors(ours[1])], "%",
                at_most=goals.ERROR_PERCENT_MAX if is_whole else None)  # fmt: skip
    found.judge(before, "before (direct): successes a second", [_rate(before[1], seconds, outage)], "/s")
    found.judge(ours, "ours: successes a second, while the provider is well", [_rate(ours[1], seconds, outage)], "/s",
                at_least=goals.RATE_MIN if is_whole else None)  # fmt: skip
    found.judge(before, "before (direct): keys seen before, without an answer", [100 - _available(*before)], "%")
    found.judge(ours, "ours: keys seen before, without an answer", [100 - _available(*ours)], "%",
                at_most=100 - goals.AVAILABILITY_PERCENT_MIN)  # fmt: skip
    found.judge(ours, "wrong answers", [found.wrong], at_most=goals.WRONG_MAX)
    return found


def _meet(setting: Setting, found: Found, name: str, seconds: float, outage: tuple[float, float]) -> tuple[Run, Run]:
    """The ramp, and then the run that counts."""
    say(f"targets: {name}")
    with setting.bench.apart() as bench:
        provider, ground = setting.ground(bench)
        server = None
        if name == "ours":
            server = best_sidecar(ground, found.figures.note, {}, ttl=_TTL, stale_ttl="1h")
        warm = ramp.storm(setting, setting.lasting(ramp.SECONDS, 5))
        first = carry_out(f"{name}: the ramp before", warm, setting.load, provider, server)
        cues = [Cue(outage[0], lambda: provider.change(status=500)), Cue(outage[1], provider.heal)]
        plan = _plan(setting, seconds)
        seen = carry_out(f"{name}: steady, with an outage", plan, setting.load, provider, server, cues=cues)
        seen = found.keep(dataclasses.replace(seen, fault=outage))
    tally = seen.tally()
    found.rows.append((
        name, f"{tally.offered:,}", f"{tally.success:.2f}", f"{_errors(seen):.2f}",
        f"{tally.percent('lighter', 'fixed'):.2f}", milliseconds(tally.mean), milliseconds(tally.quantile(0.99)),
        f"{_rate(seen, seconds, outage):,.0f}", f"{_available(first, seen):.3f}", f"{seen.upstream.calls:,}",
    ))  # fmt: skip
    return first, seen


def _plan(setting: Setting, seconds: float) -> Plan:
    """Over the prompts of the ramp."""
    draw = setting.draw("targets")
    due = instants(_RATE, _RATE, seconds, draw)
    asked = zipf(setting.library().take(ramp.KEYS), len(due), draw)
    return Plan([Arrival(at, question) for at, question in zip(due, asked, strict=True)])


def _errors(run: Run) -> float:
    tally = run.tally()
    return 100 * tally.unanswered / tally.offered


def _rate(run: Run, seconds: float, outage: tuple[float, float]) -> float:
    """Successes of a second of arrivals while the provider is well."""
    well = run.tally(None, 0, outage[0]).kinds["success"] + run.tally(None, outage[1]).kinds["success"]
    return well / (seconds - outage[1] + outage[0])


def _available(first: Run, run: Run) -> float:
    """Of the requests for what had been answered before they came: those that were answered."""
    seen: dict[Question, float] = {}
    for one in first.outcomes:
        if one.kind == "success":
            seen[one.arrival.question] = -1.0
    for one in run.outcomes:
        if one.kind == "success":
            seen[one.arrival.question] = min(one.ended, seen.get(one.arrival.question, one.ended))
    asked = [one for one in run.outcomes if _knew(one, seen)]
    return 100 * sum(one.kind == "success" for one in asked) / len(asked) if asked else 0.0


def _knew(one: Outcome, seen: dict[Question, float]) -> bool:
    return seen.get(one.arrival.question, float("inf")) < one.arrival.due
