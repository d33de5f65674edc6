"""How fast a request's body becomes its key, beside SHA-256 alone of the same bytes."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Sequence

from .figures import Report, ratios
from .process import Failed

SUMMARY = "time from raw bytes to the canonical key, beside SHA-256 alone"

_ROUNDS = 15
# Microseconds, by body: digest of the canonical body, whole request.
_GOALS = {("compact", 1): (2.0, 2.5), ("compact", 8): (7.5, None), ("compact", 64): (59.0, None)}


def measure(program: pathlib.Path, rounds: int) -> Report:
    report = Report("key", f"chat bodies; {rounds or _ROUNDS} rounds in turn, each the best of a few windows")
    done = subprocess.run([program, str(rounds or _ROUNDS)], stdout=subprocess.PIPE, timeout=900)
    if done.returncode:
        raise Failed(f"{program.name} ended with {done.returncode}")
    for line in done.stdout.decode().splitlines():
        _add(report, json.loads(line))
    report.note("canonical: read, checked, rewritten and hashed; request: the same and its route, facts and key")
    report.note("by memo: hash of the raw bytes, look-up, request; what reading a known body costs without reading it")
    return report


def _add(report: Report, body: dict[str, object]) -> None:
    """One body: how it is spelled, its KiB, and nanoseconds by step and round."""
    style, size = str(body["style"]), int(str(body["kib"]))
    goals = _GOALS.get((style, size), (None, None))
    name = f"{style} {size} KiB"
    digest, canonical, request, known = (_micros(body, step) for step in ("sha256", "canonical", "request", "memo"))
    report.add(f"{name}: SHA-256 alone", digest, "us")
    report.add(f"{name}: canonical", canonical, "us", at_most=goals[0])
    report.add(f"{name}: request", request, "us", at_most=goals[1])
    report.add(f"{name}: by memo", known, "us")
    report.add(f"{name}: canonical / SHA-256 alone", ratios(canonical, digest), "x")


def _micros(body: dict[str, object], step: str) -> Sequence[float]:
    values = body[step]
    assert isinstance(values, list)
    return [float(value) / 1000 for value in values]
