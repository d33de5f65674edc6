"""Runs the benchmarks that were asked for, one after the other."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

from . import herd, hit, key, l1, memory, miss, options, render, stored
from .binaries import Binaries
from .figures import Report
from .load import Missing
from .options import Options
from .process import Failed
from .prompts import WrongAnswer
from .servers import Bench

_ON_SERVERS: dict[str, Callable[[Bench, Options], Report]] = {
    "miss": miss.measure, "hit": hit.measure, "herd": herd.measure, "memory": memory.measure,
}  # fmt: skip
_SUMMARIES = {
    "miss": miss.SUMMARY, "hit": hit.SUMMARY, "herd": herd.SUMMARY, "memory": memory.SUMMARY, "stored": stored.SUMMARY,
    "render": render.SUMMARY, "l1": l1.SUMMARY,
    "key": key.SUMMARY,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 done, 1 an answer was wrong, 2 something could not run."""
    chosen = options.read(arguments, _SUMMARIES)
    # A request to end unwinds the `with` blocks, which end every server and remove every folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reports: list[Report] = []
    status = 0
    for name in chosen.names:
        try:
            report = _run(name, Binaries(chosen), chosen)
            reports.append(report)
            print(report, end="\n\n", flush=True)
        except Missing as reason:
            print(f"{name}: skipped: {reason}", end="\n\n", flush=True)
        except WrongAnswer as reason:
            print(f"{name}: wrong answer: {reason}", file=sys.stderr)
            status = 1
        except (Failed, OSError, subprocess.SubprocessError) as reason:
            print(f"{name}: could not run: {reason}", file=sys.stderr)
            status = status or 2
        except KeyboardInterrupt:
            return 130
    if chosen.json:
        chosen.json.write_text(json.dumps([report.as_json() for report in reports], indent=1) + "\n")
    return status


def _run(name: str, binaries: Binaries, chosen: Options) -> Report:
    if name == "stored":
        return stored.measure(binaries.stored_size)
    if name == "render":
        return render.measure(binaries.stored_size, chosen.rounds)
    if name == "l1":
        return l1.measure(binaries.l1_cost, chosen)
    if name == "key":
        return key.measure(binaries.key_speed, chosen.rounds)
    with tempfile.TemporaryDirectory(prefix="samovar-bench-", dir=_memory_folder()) as folder:
        with Bench(pathlib.Path(folder), binaries.samovar, binaries.provider) as bench:
            return _ON_SERVERS[name](bench, chosen)


def _memory_folder() -> str | None:
    """Where files are in memory, as nginx's cache should be beside caches that are."""
    return "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
