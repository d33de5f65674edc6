"""The figures as a table for people, and as JSON for programs."""

from __future__ import annotations

import statistics

from benchlib.figures import Figure, number

from .load import Sample
from .measure import Found
from .tables import OURS, Table

_HEAD = f"  {'':<20}{'':<16}{'ops/s':>10}{'CPU us':>9}{'p50 us':>9}{'p99 us':>9}{'server':>8}{'load':>6}"


def text(name: str, table: Table, found: list[Found]) -> str:
    lines = [f"{name}: {table.summary}", f"{_HEAD}  {table.measure.name}"]
    for each in found:
        ratios = {figure.name: figure for figure in each.ratios}
        label = each.case.name
        for server, samples in each.samples.items():
            row = f"  {label:<20}{server:<16}{_columns(samples)}"
            if server in ratios:
                row += f"  {_ratio(ratios.pop(server))}"
            lines.append(row.rstrip())
            label = ""
        again = statistics.median(sample.asked_again for sample in each.samples[OURS])
        if again > 0.001:
            lines.append(f"  {'':<20}{again:.1%} of the digests were not known, and asked again with the body")
        lines += [f"  {'':<20}{rivals:<16}{'':>51}  {_ratio(figure)}" for rivals, figure in ratios.items()]
    return "\n".join(lines)


def as_json(name: str, table: Table, found: list[Found]) -> dict[str, object]:
    return {
        "table": name, "summary": table.summary, "measure": table.measure.name,
        "cases": [
            {
                "name": each.case.name, "connections": each.case.connections, "in_flight": each.case.in_flight,
                "servers": {server: _rounds(samples) for server, samples in each.samples.items()},
                "ratios": [figure.as_json() for figure in each.ratios],
            }
            for each in found
        ],
    }  # fmt: skip


def _columns(samples: list[Sample]) -> str:
    median = {name: statistics.median(values) for name, values in _rounds(samples).items()}
    return (
        f"{median['rate']:>10,.0f}{number(median['cpu_micros']):>9}{number(median['p50_micros']):>9}"
        f"{number(median['p99_micros']):>9}{median['server_busy']:>8.0%}{median['load_busy']:>6.0%}"
    )


def _ratio(figure: Figure) -> str:
    value = f"{number(figure.median)} x ({number(min(figure.rounds))} .. {number(max(figure.rounds))})"
    return f"{value:<27}goal {figure.goal}: {figure.verdict}" if figure.goal else value


def _rounds(samples: list[Sample]) -> dict[str, list[float]]:
    return {name: [getattr(sample, name) for sample in samples] for name in Sample.__dataclass_fields__}
