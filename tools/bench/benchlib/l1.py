"""What the memory cache itself costs, against a look-up that does nothing else."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections import defaultdict
from typing import Any

from .figures import Report, ratios
from .options import Options
from .prompts import WrongAnswer

SUMMARY = "time of a look-up and an insertion, memory of an entry, against a bare hash table"

_SIZES = (10_000, 100_000, 1_000_000)
_PLAIN = "plain look-up"
_MEASURED = ("cache get", "cache put", "memory cache get", "memory cache put")


def measure(program: pathlib.Path, options: Options) -> Report:
    rounds = options.rounds or 7
    report = Report(
        "l1",
        f"{', '.join(f'{size:,}' for size in _SIZES)} entries; {rounds} rounds; keys asked for with zipf 0.99; each put "
        "evicts; nanoseconds of processor time",
    )
    times: dict[tuple[int, str], list[float]] = defaultdict(list)
    for row in _rows(program, "time", rounds, *_SIZES):
        times[row["entries"], row["name"]].append(row["ns"])
    for size in _SIZES:
        plain = times[size, _PLAIN]
        report.add(f"{size:,}: {_PLAIN}", plain, "ns")
        for name in _MEASURED:
            report.add(f"{size:,}: {name}", times[size, name], "ns")
            goal = 3 if size == _SIZES[0] and name.startswith("cache") else None
            report.add(f"{size:,}: {name} / {_PLAIN}", ratios(times[size, name], plain), "x", at_most=goal)
    for size in _SIZES:
        caches = [row for _ in range(rounds) for row in _rows(program, "cache", size)]
        answers = [row for _ in range(rounds) for row in _rows(program, "answers", size)] if size == 100_000 else []
        computed = [row["computed_overhead"] for row in caches]
        report.add(f"{size:,}: bytes an entry beside its value, computed", computed, "B", at_most=112)
        resident = [row["resident_overhead"] for row in caches]
        report.add(f"{size:,}: bytes an entry beside its value, RSS growth", resident, "B", at_most=112)
        if answers:
            stored = [row["resident_per_stored"] for row in answers]
            report.add(f"{size:,} answers of 2 KiB: RSS growth / stored bytes", stored, "x", at_most=1.3)
            counted = [row["counted_per_resident"] for row in answers]
            report.add(f"{size:,} answers of 2 KiB: counted as used / RSS growth", counted, "x")
    report.note("cache: values of 8 bytes, one thread; memory cache: answers, with lock, lifetime and counters")
    report.note("RSS growth has what doubling gave back to the allocator, which counts most at 10,000")
    report.note("what grows from 10,000 to 1,000,000 is cache misses: the bare table grows too")
    return report


def _rows(program: pathlib.Path, *arguments: object) -> list[dict[str, Any]]:
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=1800)
    if done.returncode:
        raise WrongAnswer(done.stderr.strip() or f"{program.name} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]
