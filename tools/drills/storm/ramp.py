"""The ramp: from 50 to 3,000 requests a second within 20 s, against one front after the other, each cold."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchlib.load import Missing

from . import goals
from .fronts import Front, fronts
from .plan import Arrival, Plan, instants, zipf
from .provider import ANSWER_MS, CAPACITY_BURST, CAPACITY_PER_SECOND, CONCURRENT_MAX
from .runs import Run, carry_out
from .setting import Found, Setting, milliseconds, say

SUMMARY = "50 to 3,000 r/s within 20 s, every front cold"
RATE_FROM, RATE_TO, SECONDS = 50, 3_000, 20
KEYS = 2_000

_COLUMNS = (
    "front", "offered", "success %", "lighter %", "fixed %", "wrong", "429", "503", "timeout", "other", "upstream",
    "admitted", "429 %", "p50 ms", "p99 ms", "p99.9 ms", "CPU s", "late ms",
)  # fmt: skip


def run(setting: Setting) -> Found:
    seconds = setting.lasting(SECONDS, 5)
    plan = storm(setting, seconds)
    found = Found(
        "ramp", "Ramp",
        f"{RATE_FROM} to {RATE_TO:,} r/s in {seconds:.0f} s, {len(plan.arrivals):,} requests, open loop, zipf(1.0) "
        f"over {KEYS:,} real prompts, callers give up at 10 s; provider of {CAPACITY_PER_SECOND} r/s, burst "
        f"{CAPACITY_BURST}, {CONCURRENT_MAX} concurrent, {ANSWER_MS} ms; seed {setting.seed}, rounds {setting.rounds}",
        _COLUMNS,
    )  # fmt: skip
    chosen = [front for front in fronts() if not setting.only or front.name in setting.only]
    runs: dict[str, list[Run]] = {front.name: [] for front in chosen}
    skipped: set[str] = set()
    for _ in range(setting.rounds):
        for front in chosen:
            if front.name not in skipped and not _meet(setting, plan, front, found, runs[front.name]):
                skipped.add(front.name)
    for front in chosen:
        if runs[front.name]:
            _report(found, front, runs[front.name], setting.quick)
    return found


def storm(setting: Setting, seconds: float) -> Plan:
    """The same for every front."""
    draw = setting.draw("ramp")
    due = instants(RATE_FROM, RATE_TO, seconds, draw)
    asked = zipf(setting.library().take(KEYS), len(due), draw)
    return Plan([Arrival(at, question) for at, question in zip(due, asked, strict=True)])


def _meet(setting: Setting, plan: Plan, front: Front, found: Found, runs: list[Run]) -> bool:
    """False where this front is not to be had."""
    say(f"ramp: {front.title}")
    with setting.bench.apart() as bench:
        provider, ground = setting.ground(bench)
        try:
            server = front.start(ground)
        except Missing as reason:
            found.figures.note(f"{front.title}: skipped: {reason}")
            return False
        runs.append(found.keep(carry_out(front.title, plan, setting.load, provider, server, front.headers)))
    return True


def _cpu(front: Front, runs: Sequence[Run]) -> str:
    """Processor time of the front. Where the provider is asked itself there is none."""
    return "-" if front.name == "direct" else f"{statistics.median([run.cpu_seconds for run in runs]):.2f}"


def _report(found: Found, front: Front, runs: Sequence[Run], quick: bool) -> None:
    tallies = [run.tally() for run in runs]
    calls = [run.upstream for run in runs]

    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    def count(kind: str) -> str:
        return f"{median([tally.kinds[kind] for tally in tallies]):,.0f}"

    others = [tally.unanswered - sum(tally.kinds[kind] for kind in ("429", "503", "timeout")) for tally in tallies]
    throttled = [100 * each.throttled / max(1, each.calls) for each in calls]
    found.rows.append((
        front.title, f"{tallies[0].offered:,}", f"{median([tally.success for tally in tallies]):.2f}",
        f"{median([tally.percent('lighter') for tally in tallies]):.2f}",
        f"{median([tally.percent('fixed') for tally in tallies]):.2f}",
        count("wrong"), count("429"), count("503"), count("timeout"), f"{median(others):,.0f}",
        f"{median([each.calls for each in calls]):,.0f}", f"{median([each.admitted for each in calls]):,.0f}",
        f"{median(throttled):.1f}",
        *(milliseconds(median([tally.quantile(share) for tally in tallies])) for share in (0.5, 0.99, 0.999)),
        _cpu(front, runs), f"{median([run.late_ms for run in runs]):.2f}",
    ))  # fmt: skip
    if not front.is_ours:
        return
    is_whole = bool(front.limits) and not quick
    # Of a shortened ramp more than the provider can answer comes in too short a time: its success is only told.
    found.judge(runs, f"{front.title}: success", [tally.success for tally in tallies], "%",
                      at_least=goals.SUCCESS_PERCENT_MIN if is_whole else None)  # fmt: skip
    found.judge(runs, f"{front.title}: wrong answers", [tally.kinds["wrong"] for tally in tallies],
                      at_most=goals.WRONG_MAX)  # fmt: skip
    if front.limits:
        found.judge(runs, f"{front.title}: 429s of the upstream calls", throttled, "%",
                          at_most=goals.THROTTLED_PERCENT_MAX[front.limits])  # fmt: skip
    if front.name != "none":
        found.judge(runs, f"{front.title}: p50 of successes", [tally.quantile(0.5) for tally in tallies], "ms",
                          at_most=goals.P50_MS_MAX)  # fmt: skip
    if codes := tallies[0].codes:
        spelled = ", ".join(f"{count:,} x {code}" for code, count in codes.most_common(6))
        found.figures.note(f"{front.title}: refused with {spelled}")
