"""The storm: a provider that takes 50 requests a second meets 3,000, and fails in several ways."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from benchlib.cores import LOAD
from benchlib.figures import Verdict, number
from benchlib.servers import Bench

from ..options import Options
from . import faults, page, ramp, targets, tenants
from .load import OpenLoop
from .setting import Found, Setting

SUMMARY = "50 to 3,000 r/s at a provider that takes 50, beside rivals; then it fails in several ways; --report"

PHASES: Mapping[str, Callable[[Setting], Found]] = {
    "ramp": ramp.run,
    **{name: functools.partial(faults.run, name) for name in faults.FAULTS},
    "tenants": tenants.run,
    "targets": targets.run,
}


class StormReport:
    """What all phases found."""

    def __init__(self) -> None:
        self.found: list[Found] = []

    @property
    def wrong(self) -> int:
        return sum(found.wrong for found in self.found)

    def as_json(self) -> dict[str, object]:
        return {"drill": "storm", "phases": [found.as_json() for found in self.found]}

    def __str__(self) -> str:
        """The sum of it: each phase has been told of when it was over."""
        judged = [(found, figure) for found in self.found for figure in found.figures.figures if figure.verdict]
        missed = [(found, figure) for found, figure in judged if figure.verdict is not Verdict.MET]
        lines = [f"storm: {len(judged) - len(missed)} of {len(judged)} goals met, {self.wrong} wrong answers"]
        for found, figure in missed:
            value = f"{number(figure.median)} {figure.unit}".strip()
            lines.append(f"  {figure.verdict}: {found.title}: {figure.name}: {value}, goal {figure.goal}")
        return "\n".join(lines)


def run(bench: Bench, options: Options) -> StormReport:
    report = StormReport()
    setting = Setting(bench, OpenLoop(bench.folder, LOAD), options.seed, options.rounds, options.quick, options.only)
    for name in options.phase or PHASES:
        report.found.append(PHASES[name](setting))
        # Who waits for an hour wants to see what there is.
        print(report.found[-1], end="\n\n", flush=True)
        if options.report:
            options.report.write_text(page.written(report.found), encoding="utf-8")
    return report
