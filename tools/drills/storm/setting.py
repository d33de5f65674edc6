"""What a phase is given, and what it hands back."""

from __future__ import annotations

import dataclasses
import math
import random
import sys
from collections.abc import Sequence

from benchlib.cores import LOAD, SERVER
from benchlib.figures import Report
from benchlib.servers import Bench

from .fronts import Ground
from .load import OpenLoop
from .plan import Library, library
from .provider import Provider, lighter
from .runs import Run
from .series import plots


@dataclasses.dataclass(frozen=True)
class Setting:
    """Of the whole storm."""

    bench: Bench
    load: OpenLoop
    seed: int
    rounds: int
    quick: bool
    only: Sequence[str]

    def draw(self, name: str) -> random.Random:
        """Of a phase; the same in every run of that seed."""
        return random.Random(f"{self.seed} {name}")

    def library(self) -> Library:
        """All prompts, none of them taken yet."""
        return library(self.seed)

    def lasting(self, seconds: float, quick: float) -> float:
        return quick if self.quick else seconds

    def ground(self, bench: Bench) -> tuple[Provider, Ground]:
        """A fresh provider, full of burst, and where fronts are started."""
        provider = Provider(bench, LOAD)
        return provider, Ground(bench, provider.server, lighter(bench, LOAD), SERVER)


@dataclasses.dataclass
class Found:
    """Of one phase."""

    name: str
    title: str
    setting: str
    # Columns and rows of its table, if it has one.
    columns: Sequence[str] = ()
    rows: list[Sequence[str]] = dataclasses.field(default_factory=list)
    figures: Report = dataclasses.field(default_factory=lambda: Report("", ""))
    runs: list[Run] = dataclasses.field(default_factory=list)
    wrong: int = 0

    def keep(self, run: Run) -> Run:
        """A run that is shown with plots. Its wrong answers count, and a load that was late is told of."""
        self.runs.append(run)
        self.wrong += run.tally().kinds["wrong"]
        if not run.is_valid:
            self.figures.note(f"INVALID: {run.title}: the load was late by {run.late_ms:.1f} ms at p99")
        return run

    def judge(
        self, runs: Sequence[Run], name: str, values: Sequence[float], unit: str = "", at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:  # fmt: skip
        """A figure of some runs, beside its goal. What comes of a load that was late is not judged."""
        if any(map(math.isnan, values)):
            self.figures.note(f"{name}: there was nothing to measure")
        elif all(run.is_valid for run in runs):
            self.figures.add(name, values, unit, at_most, at_least)
        else:
            self.figures.add(f"{name} (invalid)", values, unit)

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.setting}"]
        if self.rows:
            lines += table([self.columns, *self.rows])
        return "\n".join([*lines, *str(self.figures).splitlines()[1:]])

    def as_json(self) -> dict[str, object]:
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        told = self.figures.as_json()
        return {
            "phase": self.name, "title": self.title, "setting": self.setting, "rows": rows,
            "figures": told["figures"], "notes": told["notes"],
            "runs": [
                {
                    "title": run.title, "valid": run.is_valid, "late_p99_ms": run.late_ms,
                    "kinds": run.tally().kinds, "plots": [plot.as_json() for plot in plots(run)],
                }
                for run in self.runs
            ],
        }  # fmt: skip


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  " + "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]  # fmt: skip


def milliseconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def say(text: str) -> None:
    """How far it is, to whoever waits."""
    print(text, file=sys.stderr, flush=True)
