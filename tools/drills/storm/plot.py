"""Plots as SVG: lines and stacked areas over time, coloured by the classes of the page they stand in."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Sequence

_WIDTH, _HEIGHT = 320, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 32, 8, 8, 20

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Series:
    """One line, or one layer of a stack. `colour` is a class of the page. Gaps are NaN."""

    name: str
    colour: str
    points: Sequence[Point]

    @property
    def is_there(self) -> bool:
        return any(value > 0 for _, value in self.points)


@dataclasses.dataclass(frozen=True)
class Plot:
    """Layers are stacked in their order, lines are drawn over them."""

    title: str
    seconds: float
    layers: Sequence[Series] = ()
    lines: Sequence[Series] = ()
    unit: str = ""
    logarithmic: bool = False
    # A span to be shaded.
    fault: tuple[float, float] | None = None

    def svg(self) -> str:
        layers = [series for series in self.layers if series.is_there]
        lines = [series for series in self.lines if series.is_there]
        scale = _Scale(self.seconds, *self._bounds(layers, lines), self.logarithmic)
        parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(self.title)}">']
        if self.fault:
            left, right = scale.x(self.fault[0]), scale.x(min(self.fault[1], self.seconds))
            parts.append(f'<rect class="fault" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" '
                         f'height="{_HEIGHT - _TOP - _BOTTOM}"/>')  # fmt: skip
        parts += _grid(scale, self.seconds, self.unit)
        parts += _stack(layers, scale)
        parts += [f'<path class="line {one.colour}" d="{_path(one.points, scale)}"/>' for one in lines]
        parts.append("</svg>")
        keys = "".join(f'<span class="key"><i class="{one.colour}"></i>{html.escape(one.name)}</span>'
                       for one in [*lines, *layers])  # fmt: skip
        return f"<figure><figcaption>{html.escape(self.title)}</figcaption>{''.join(parts)}<p>{keys}</p></figure>"

    def as_json(self) -> dict[str, object]:
        """Gaps are null."""
        return {
            "title": self.title, "unit": self.unit,
            "series": {
                one.name: [[round(at, 3), None if math.isnan(value) else round(value, 4)] for at, value in one.points]
                for one in [*self.layers, *self.lines] if one.is_there
            },
        }  # fmt: skip

    def _bounds(self, layers: Sequence[Series], lines: Sequence[Series]) -> tuple[float, float]:
        values = [value for series in lines for _, value in series.points if value > 0]
        if layers:
            values += [sum(at) for at in zip(*([value for _, value in one.points] for one in layers), strict=True)]
        highest = max(values, default=1.0)
        if not self.logarithmic:
            return 0.0, _round_up(highest)
        lowest = min((value for value in values if value > 0), default=0.1)
        return 10.0 ** math.floor(math.log10(lowest)), 10.0 ** math.ceil(math.log10(max(highest, lowest * 1.01)))


@dataclasses.dataclass(frozen=True)
class _Scale:
    seconds: float
    lowest: float
    highest: float
    logarithmic: bool

    def x(self, at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(1.0, at / self.seconds)

    def y(self, value: float) -> float:
        if self.logarithmic:
            span = math.log10(self.highest / self.lowest)
            share = math.log10(max(value, self.lowest) / self.lowest) / span
        else:
            share = value / self.highest
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share)

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return [self.highest * step / 4 for step in range(5)]
        first, last = round(math.log10(self.lowest)), round(math.log10(self.highest))
        return [10.0**power for power in range(first, last + 1)]


def _grid(scale: _Scale, seconds: float, unit: str) -> list[str]:
    parts = []
    for value in scale.ticks():
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{_short(value)}</text>')
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1_000) if seconds / step <= 7)
    for tick in range(0, int(seconds) + 1, step):
        parts.append(f'<text x="{scale.x(tick):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_TOP + 8}" text-anchor="end">{html.escape(unit)}, by s</text>')
    return parts


def _stack(layers: Sequence[Series], scale: _Scale) -> list[str]:
    if not layers:
        return []
    below = [0.0] * len(layers[0].points)
    parts = []
    for series in layers:
        above = [base + value for base, (_, value) in zip(below, series.points, strict=True)]
        times = [at for at, _ in series.points]
        edge = [f"{scale.x(at):.1f},{scale.y(value):.1f}" for at, value in zip(times, above, strict=True)]
        edge += [f"{scale.x(at):.1f},{scale.y(value):.1f}" for at, value in zip(times[::-1], below[::-1], strict=True)]
        parts.append(f'<polygon class="layer {series.colour}" points="{" ".join(edge)}"/>')
        below = above
    return parts


def _path(points: Sequence[Point], scale: _Scale) -> str:
    """Broken where there is nothing."""
    words, command = [], "M"
    for at, value in points:
        if math.isnan(value):
            command = "M"
            continue
        words.append(f"{command}{scale.x(at):.1f} {scale.y(value):.1f}")
        command = "L"
    return "".join(words)


def _round_up(value: float) -> float:
    """To 1, 2, 4 or 8 times a power of ten: quarters of these are short numbers."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)


def _short(value: float) -> str:
    if value >= 1_000:
        return f"{value / 1_000:g}k"
    return f"{value:g}"
