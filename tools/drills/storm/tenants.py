"""One flooding tenant of twenty: what the nineteen others notice."""

from __future__ import annotations

from . import goals
from .fronts import best_sidecar
from .plan import Arrival, Plan, instants
from .runs import Run, carry_out
from .setting import Found, Setting, milliseconds, say

SUMMARY = "one flooding tenant of twenty: the others' success and p99, with it and without"
_OTHERS, _OTHERS_RATE, _FLOOD_RATE, _SECONDS, _ROUNDS_WITHOUT = 19, 1.5, 500, 20.0, 3


def run(setting: Setting) -> Found:
    seconds = setting.lasting(_SECONDS, 6)
    rounds = max(setting.rounds, 1 if setting.quick else _ROUNDS_WITHOUT)
    found = Found(
        "tenants", "One flooding tenant",
        f"{_OTHERS} tenants of {_OTHERS_RATE} new prompts a second each, told by their Authorization, and one of "
        f"{_FLOOD_RATE} a second; {seconds:.0f} s, {rounds} rounds without the flood and {rounds} with it; fairness "
        f"itself is asserted in virtual time",
        ("round", "others' success %", "others' p50 ms", "others' p99 ms", "flood's success %", "429 %"),
    )  # fmt: skip
    quiet = [_round(setting, found, number, seconds, floods=False) for number in range(rounds)]
    flooded = [_round(setting, found, number, seconds, floods=True) for number in range(rounds)]
    for title, runs in (("without the flood", quiet), ("with it", flooded)):
        others = [each.tally("others") for each in runs]
        found.judge(runs, f"{title}: others' success", [tally.success for tally in others], "%",
                    at_least=goals.OTHERS_PERCENT_MIN if runs is flooded else None)  # fmt: skip
        found.judge(runs, f"{title}: others' p99", [tally.quantile(0.99) for tally in others], "ms")
    found.judge(flooded, "wrong answers", [found.wrong], at_most=goals.WRONG_MAX)
    return found


def _round(setting: Setting, found: Found, number: int, seconds: float, floods: bool) -> Run:
    title = f"{'with' if floods else 'without'} the flood, round {number + 1}"
    say(f"tenants: {title}")
    with setting.bench.apart() as bench:
        provider, ground = setting.ground(bench)
        first = not found.rows
        server = best_sidecar(ground, found.figures.note if first else lambda _: None, {})
        plan = _plan(setting, number, seconds, floods)
        seen = found.keep(carry_out(title, plan, setting.load, provider, server))
    others, flood, calls = seen.tally("others"), seen.tally("flood"), seen.upstream
    found.rows.append((
        title, f"{others.success:.2f}", milliseconds(others.quantile(0.5)), milliseconds(others.quantile(0.99)),
        f"{flood.success:.2f}" if floods else "-", f"{100 * calls.throttled / max(1, calls.calls):.1f}",
    ))  # fmt: skip
    return seen


def _plan(setting: Setting, number: int, seconds: float, floods: bool) -> Plan:
    """The others ask the same, whether there is a flood or not."""
    draw, prompts = setting.draw(f"tenants {number}"), setting.library()
    plans = []
    for tenant in range(_OTHERS):
        due = instants(_OTHERS_RATE, _OTHERS_RATE, seconds, draw)
        asked = prompts.take(len(due), headers=(f"Authorization: Bearer tenant-{tenant}",))
        plans.append(Plan([Arrival(at, one, "others") for at, one in zip(due, asked, strict=True)]))
    if floods:
        due = instants(_FLOOD_RATE, _FLOOD_RATE, seconds, draw)
        asked = prompts.take(len(due), headers=("Authorization: Bearer flood",))
        plans.append(Plan([Arrival(at, one, "flood") for at, one in zip(due, asked, strict=True)]))
    return Plan.merged(*plans)
