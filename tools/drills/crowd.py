"""Very many callers who wait for one answer, over few connections."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from benchlib.binaries import Binaries
from benchlib.figures import Report
from benchlib.load import Missing
from benchlib.prompts import WrongAnswer

from .options import Options

SUMMARY = "waiters for one answer: how many are let in, what becomes of the rest, and what one costs"

_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(options: Options) -> Report:
    """Runs the long version of the test against release builds; four fifths of those who come are let in."""
    binaries = Binaries(options)
    report = Report("crowd", f"{options.waiters:,} callers over the binary port ask the same at once")
    settings = {"SAMOVAR_TEST_WAITERS": str(options.waiters), "SAMOVAR_BIN_DIR": str(binaries.samovar.parent)}
    print("building and running the test (the first time takes some minutes)", file=sys.stderr, flush=True)
    done = subprocess.run(
        ["swift", "test", "--filter", "Crowds/waiters"], cwd=_ROOT, env=os.environ | settings, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    line = next((line for line in done.stdout.splitlines() if line.startswith('{"waiters"')), None)
    if line is None:
        raise Missing(f"the test has printed no figures: {(done.stdout + done.stderr)[-2_000:]}")
    seen = json.loads(line)
    report.add("waiters let in", [seen["waiters"]])
    report.add("told to come again", [seen["refused"]])
    report.add("memory a waiter", [seen["bytes_each"]], "B", at_most=2_048)
    report.add("RSS with all of them", [seen["rss"] / (1 << 20)], "MiB")
    if done.returncode != 0:
        raise WrongAnswer(done.stdout[-2_000:])
    return report
