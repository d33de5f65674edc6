"""Runs the drill that was asked for."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Protocol

from benchlib.binaries import Binaries
from benchlib.load import Missing
from benchlib.process import Failed
from benchlib.prompts import WrongAnswer
from benchlib.servers import Bench

from . import cancel, crowd, flap, herd, l2, options, redis, storm
from .options import Options


class Report(Protocol):
    """What a drill found: text for people, JSON for programs."""

    def as_json(self) -> dict[str, object]: ...


_DRILLS: dict[str, Callable[[Bench, Options], Report]] = {
    "herd": herd.run, "redis": redis.run, "l2": l2.run, "storm": storm.run, "flap": flap.run,
}  # fmt: skip
# Those that start what they need by themselves.
_APART: dict[str, Callable[[Options], Report]] = {"cancel": cancel.run, "crowd": crowd.run}
_SUMMARIES = {
    "herd": herd.SUMMARY, "redis": redis.SUMMARY, "l2": l2.SUMMARY, "storm": storm.SUMMARY, "flap": flap.SUMMARY,
    "cancel": cancel.SUMMARY, "crowd": crowd.SUMMARY,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 done, 1 an answer was wrong or missing, 2 it could not run."""
    chosen = options.read(arguments, _SUMMARIES)
    # A request to end unwinds the `with` blocks, which end every server and remove every folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        report = _APART[chosen.name](chosen) if chosen.name in _APART else _with_servers(chosen)
    except WrongAnswer as reason:
        print(f"{chosen.name}: wrong answer: {reason}", file=sys.stderr)
        return 1
    except (Missing, Failed, OSError, subprocess.SubprocessError) as reason:
        print(f"{chosen.name}: could not run: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(report)
    if chosen.json:
        chosen.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    # The storm counts wrong answers, and goes on.
    return 1 if isinstance(report, storm.StormReport) and report.wrong else 0


def _with_servers(chosen: Options) -> Report:
    binaries = Binaries(chosen)
    memory = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="samovar-drill-", dir=memory) as folder:
        with Bench(pathlib.Path(folder), binaries.samovar, binaries.provider) as bench:
            return _DRILLS[chosen.name](bench, chosen)
