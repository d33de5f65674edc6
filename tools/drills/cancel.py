"""Callers of Redis who go away after their command was sent and before its reply came."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from benchlib.figures import Report
from benchlib.load import Missing
from benchlib.prompts import WrongAnswer

from .options import Options

SUMMARY = "callers who leave while Redis's reply is held back, at random: wrong replies"

_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_TEST = "CancellationTests/byHand"


def run(options: Options) -> Report:
    """Runs the long version of the test, which has the shipped client, a real redis-server and a proxy that delays."""
    broken = ", on connections that are used on after a timeout" if options.broken else ""
    report = Report("cancel", f"{2 * options.count:,} commands, seed {options.seed}, replies up to 3 ms late{broken}")
    settings = {"SAMOVAR_TEST_CANCELS": str(options.count), "SAMOVAR_TEST_SEED": str(options.seed)}
    settings["SAMOVAR_TEST_REUSES"] = "1" if options.broken else "0"
    print("building and running the test (the first time takes some minutes)", file=sys.stderr, flush=True)
    done = subprocess.run(
        ["swift", "test", "--filter", _TEST], cwd=_ROOT, env=os.environ | settings, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    line = next((line for line in done.stdout.splitlines() if line.startswith('{"seed"')), None)
    if line is None:
        raise Missing(f"the test has printed no figures: {(done.stdout + done.stderr)[-2_000:]}")
    seen = json.loads(line)
    for name in ("calls", "cancelled", "right", "failed"):
        report.add(name, [seen[name]])
    report.add("wrong", [seen["wrong"]], at_most=None if options.broken else 0)
    if options.broken and seen["wrong"] == 0:
        raise WrongAnswer("none was found where they must be: the check sees nothing")
    if not options.broken and seen["wrong"] > 0:
        raise WrongAnswer(f"{seen['wrong']} of {seen['calls']} replies were somebody else's")
    return report
