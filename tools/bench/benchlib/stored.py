"""How small a recorded stream becomes when it is stored, against deflate at level 1."""

from __future__ import annotations

import pathlib
import statistics
import zlib

from . import streams
from .figures import Report, ratios
from .load import Missing

SUMMARY = "size of recorded provider streams once stored, against zlib level 1"

_TOKENS_MIN = 20
_GOAL = 0.1


def measure(program: pathlib.Path) -> Report:
    recorded = [stream for stream in streams.recorded() if streams.event_count(stream) >= _TOKENS_MIN]
    if not recorded:
        raise Missing(f"no recorded stream has {_TOKENS_MIN} events")
    setting = f"{len(recorded)} recorded streams of {_TOKENS_MIN} events or more; the spread is over streams"
    report = Report("stored", setting)
    sizes = [None if line == "refused" else int(line) for line in streams.ask(program, recorded)]
    refused = sum(size is None for size in sizes)
    if refused:
        report.note(f"{refused} streams are refused as malformed and left out")
    kept = [(stream, size) for stream, size in zip(recorded, sizes, strict=True) if size is not None]
    raw = [len(stream) for stream, _ in kept]
    ours = ratios([size for _, size in kept], raw)
    deflated = ratios([len(zlib.compress(stream, 1)) for stream, _ in kept], raw)
    report.add("stored bytes / raw bytes", ours, "x", at_most=_GOAL, exact=True)
    report.add("zlib level 1 / raw bytes", deflated, "x")
    report.add("stored bytes / zlib level 1", ratios(ours, deflated), "x")
    within = sum(share <= _GOAL for share in ours)
    deciles = statistics.quantiles(ours, n=10)
    report.note(f"{within} of {len(ours)} are at most {_GOAL}; nine of ten at most {deciles[8]:.3f}")
    report.note(f"all together {sum(size for _, size in kept) / sum(raw):.3f} of their bytes")
    worst, largest = max(zip(ours, (stream for stream, _ in kept), strict=True))
    report.note(f"the largest, {worst:.3f}, has events of {len(largest) // streams.event_count(largest)} bytes")
    return report
