"""How fast stored streams are rendered again, beside copying the same raw bytes."""

from __future__ import annotations

import pathlib

from . import streams
from .figures import Report, ratios
from .options import ROUNDS_MIN
from .load import Missing

SUMMARY = "rendering of stored streams, in GB/s of what callers get, beside copying the same bytes"

_ROUNDS = 7


def measure(program: pathlib.Path, rounds: int) -> Report:
    recorded = list(streams.recorded())
    if not recorded:
        raise Missing("there are no recorded streams")
    rounds = max(rounds or _ROUNDS, ROUNDS_MIN)
    lines = streams.ask(program, recorded, "--render", str(rounds))
    copied, rendered, without_usage, cut, arrays = zip(*(map(float, line.split()) for line in lines), strict=True)
    size = sum(map(len, recorded)) / 1e6
    report = Report("render", f"{len(recorded)} recorded streams, {size:.1f} MB raw, one core, {rounds} rounds")
    report.add("copying the raw bytes", copied, "GB/s")
    report.add("rendering into one buffer", rendered, "GB/s", at_least=1)
    report.add("  without usage", without_usage, "GB/s", at_least=1)
    report.add("  chunk by chunk", cut, "GB/s", at_least=1)
    report.add("  into an array of its own", arrays, "GB/s")
    report.add("rendering / copying", ratios(rendered, copied), "x")
    return report
