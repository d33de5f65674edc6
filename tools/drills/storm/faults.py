"""The provider fails for a while under a steady load, and recovers: known keys and cold ones, before, during, after."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping, Sequence

from benchlib.figures import percentile

from . import goals
from .fronts import best_sidecar
from .plan import Arrival, Library, Plan, Question, instants, zipf
from .provider import ANSWER_MS, Provider
from .runs import Cue, Run, carry_out
from .setting import Found, Setting, milliseconds, say
from .watch import between

_RATE, _KNOWN_KEYS, _COLD_SHARE = 200, 200, 0.05
# What is known has expired when the fault is a third over: hits alone would hide it.
_TTL = 20.0
# Answers are fresh again and again while the provider is well, so what is normal includes refreshing.
_HEALTHY, _FAULT, _AFTER = 20.0, 60.0, 20.0
# Nobody waits longer for a first token than half of what callers bear.
_DEADLINES = {"deadline": {"first_token": "4s", "between_tokens": "2s"}}


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens to the provider."""

    title: str
    begin: Callable[[Provider], None]
    stream: bool = False


FAULTS: Mapping[str, Fault] = {
    "errors": Fault("provider at 100 % errors", lambda provider: provider.change(status=500)),
    "silent": Fault("provider silent behind keep-alives",
                    lambda provider: provider.change(silent_ms=3_600_000, keep_alive_ms=1_000)),
    "slow": Fault("provider ten times slower",
                  lambda provider: provider.change(json_ms=3_000, first_token_ms=1_000, token_ms=50)),
    "cut": Fault("streams cut in the middle", lambda provider: provider.change(cut_after_tokens=10), stream=True),
    "back": Fault("provider killed, and started again", lambda provider: provider.kill()),
}  # fmt: skip


def run(name: str, setting: Setting) -> Found:
    fault = FAULTS[name]
    begins = setting.lasting(_HEALTHY, 6)
    ends = begins + setting.lasting(_FAULT, 8)
    seconds = ends + setting.lasting(_AFTER, 12)
    ttl = setting.lasting(_TTL, 3)
    found = Found(
        name, fault.title.capitalize(),
        f"{'streams' if fault.stream else 'bodies'}, {_RATE} r/s open loop over {_KNOWN_KEYS} known keys (zipf(1.0), "
        f"ttl {ttl:.0f} s) and {_COLD_SHARE:.0%} keys never asked before; {begins:.0f} s well, {ends - begins:.0f} s "
        f"of it, {seconds - ends:.0f} s after",
        ("when and what", "offered", "success %", "fresh", "stale", "lighter %", "fixed %", "wrong", "unanswered",
         "p50 ms", "p99 ms"),
    )  # fmt: skip
    say(f"{name}: {fault.title}")
    with setting.bench.apart() as bench:
        provider, ground = setting.ground(bench)
        server = best_sidecar(ground, found.figures.note, _DEADLINES, ttl=f"{ttl:.0f}s", stale_ttl="1h")
        draw, prompts = setting.draw(name), setting.library()
        known = prompts.take(_KNOWN_KEYS, fault.stream)
        first = carry_out("warm-up", _warming(known, draw), setting.load, provider, server)
        if unanswered := first.tally().unanswered:
            found.figures.note(f"{unanswered} of the known keys were not answered in the warm-up")
        heal = provider.restart if name == "back" else provider.heal
        cues = [Cue(begins, lambda: fault.begin(provider)), Cue(ends, heal)]
        plan = _plan(known, prompts, seconds, fault.stream, draw)
        seen = carry_out(fault.title, plan, setting.load, provider, server, cues=cues)
    _report(found, found.keep(dataclasses.replace(seen, fault=(begins, ends))), begins, ends)
    return found


def _warming(known: Sequence[Question], draw: random.Random) -> Plan:
    """Each once, at a rate that the provider can bear."""
    due = instants(45, 45, len(known) / 45, draw)
    return Plan([Arrival(at, question) for at, question in zip(due, known, strict=True)])


def _plan(known: Sequence[Question], prompts: Library, seconds: float, stream: bool, draw: random.Random) -> Plan:
    warm = instants(_RATE * (1 - _COLD_SHARE), _RATE * (1 - _COLD_SHARE), seconds, draw)
    cold = instants(_RATE * _COLD_SHARE, _RATE * _COLD_SHARE, seconds, draw)
    asked = zipf(known, len(warm), draw)
    return Plan.merged(
        Plan([Arrival(at, question, "known") for at, question in zip(warm, asked, strict=True)]),
        Plan([Arrival(at, one, "cold") for at, one in zip(cold, prompts.take(len(cold), stream), strict=True)]),
    )


def _report(found: Found, run: Run, begins: float, ends: float) -> None:
    # What was under way when it began is hit by it too.
    early = begins - 1.5 * ANSWER_MS / 1e3
    for title, since, until in (("before", 0.0, early), ("during", early, ends), ("after", ends, math.inf)):
        for group in ("known", "cold"):
            tally = run.tally(group, since, until)
            stale = tally.labels["STALE"]
            found.rows.append((
                f"{title}: {group}", f"{tally.offered:,}", f"{tally.success:.2f}",
                f"{tally.kinds['success'] - stale:,}", f"{stale:,}", f"{tally.percent('lighter'):.2f}",
                f"{tally.percent('fixed'):.2f}", f"{tally.kinds['wrong']:,}", _reasons(tally.kinds),
                milliseconds(tally.quantile(0.5)), milliseconds(tally.quantile(0.99)),
            ))  # fmt: skip
    during = run.tally(None, begins, ends)
    calls = between(*run.at_cues)
    # What is missing tells more than what is there: 99.96 % looks like 100.
    found.judge([run], "during: known keys without an answer", [100 - run.tally("known", early, ends).success], "%",
                at_most=100 - goals.KNOWN_PERCENT_MIN)  # fmt: skip
    found.judge([run], "during: upstream calls a request that nothing fresh answers",
                [calls.calls / max(1, during.not_fresh())], at_most=goals.AMPLIFICATION_MAX)  # fmt: skip
    found.judge([run], "during: upstream calls a request", [calls.calls / during.offered])
    found.judge([run], "wrong answers", [run.tally().kinds["wrong"]], at_most=goals.WRONG_MAX)
    found.judge([run], "normal again after the recovery, without an operator", [back_after(run, begins, ends)], "s",
                at_most=goals.BACK_SECONDS_MAX)  # fmt: skip


def _reasons(kinds: Mapping[str, int]) -> str:
    answered = ("success", "lighter", "fixed", "wrong")
    told = [f"{count:,}x{kind.replace(' ', '-')}" for kind, count in kinds.items() if kind not in answered]
    return " ".join(told) or "0"


def back_after(run: Run, begins: float, ends: float) -> float:
    """Seconds after the recovery from which on each second is like those before the fault; the end: never.

    Like them: p99 at most one and a half times the worst of theirs, no smaller share of successes than in the worst.
    """
    before = [run.tally(None, at, at + 1) for at in range(int(begins))]
    slowest = 1.5 * max((percentile(tally.milliseconds, 0.99) for tally in before if tally.milliseconds), default=0.0)
    least = min(tally.success for tally in before)
    seconds = int(run.outcomes[-1].arrival.due - ends)
    back = 0
    for second in range(seconds):
        tally = run.tally(None, ends + second, ends + second + 1)
        if tally.success < least or tally.quantile(0.99) > slowest:
            back = second + 1
    return float(back)
