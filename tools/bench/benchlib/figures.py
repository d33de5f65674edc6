"""What a benchmark found: figures over several rounds, each beside its goal."""

from __future__ import annotations

import dataclasses
import enum
import math
import statistics
from collections.abc import Sequence


class Verdict(enum.StrEnum):
    """How a figure stands to its goal."""

    MET = "met"
    EDGE = "at the edge of noise"
    MISSED = "missed"


@dataclasses.dataclass(frozen=True)
class Goal:
    """The figure should be at most (or at least) this."""

    bound: float
    at_most: bool = True

    def reached_by(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def judge(self, rounds: Sequence[float]) -> Verdict:
        """Met or missed where all rounds agree; at the edge of noise where they do not."""
        reached = sum(self.reached_by(value) for value in rounds)
        if 0 < reached < len(rounds):
            return Verdict.EDGE
        return Verdict.MET if reached else Verdict.MISSED

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {number(self.bound)}"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure: its value in each round, and the goal where it has one."""

    name: str
    rounds: Sequence[float]
    unit: str = ""
    goal: Goal | None = None
    # The values are not rounds of one thing but many things, each exact: only their median is judged.
    exact: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> Verdict | None:
        return self.goal.judge([self.median] if self.exact else self.rounds) if self.goal else None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name, "unit": self.unit, "median": self.median, "min": min(self.rounds),
            "max": max(self.rounds), "rounds": list(self.rounds),
            "goal": str(self.goal) if self.goal else None, "verdict": self.verdict,
        }  # fmt: skip


@dataclasses.dataclass
class Report:
    """What one benchmark found, in the order in which it is shown."""

    name: str
    setting: str
    figures: list[Figure] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def add(
        self,
        name: str,
        rounds: Sequence[float],
        unit: str = "",
        at_most: float | None = None,
        at_least: float | None = None,
        exact: bool = False,
    ) -> None:
        goal = None
        if at_most is not None:
            goal = Goal(at_most)
        elif at_least is not None:
            goal = Goal(at_least, at_most=False)
        self.figures.append(Figure(name, list(rounds), unit, goal, exact))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def as_json(self) -> dict[str, object]:
        figures = [figure.as_json() for figure in self.figures]
        return {"benchmark": self.name, "setting": self.setting, "figures": figures, "notes": self.notes}

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.setting}"]
        width = max((len(figure.name) for figure in self.figures), default=0)
        for figure in self.figures:
            spread = f"({number(min(figure.rounds))} .. {number(max(figure.rounds))})"
            value = f"{number(figure.median)} {figure.unit}".strip()
            line = f"  {figure.name:<{width}}  {value:>12}  {spread:<20}"
            if figure.goal:
                line += f" goal {figure.goal}: {figure.verdict}"
            lines.append(line.rstrip())
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def number(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(over, under, strict=True)]


def differences(of: Sequence[float], less: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one - other for one, other in zip(of, less, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
