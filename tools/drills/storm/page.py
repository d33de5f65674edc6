"""The report: one page that needs nothing but itself, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import html
from collections.abc import Sequence

from benchlib.figures import Figure, Verdict, number

from .series import plots
from .setting import Found

_STYLE = """
:root { color-scheme: light dark;
  --ground: #fff; --ink: #1d1f23; --faint: #646a73; --rule: #dcdfe4; --panel: #f6f7f9;
  --hit: #2f7dd1; --coalesced: #79b3ea; --miss: #2a9d6f; --answered: #6f9c8a; --stale: #c79a1b;
  --lighter: #9a6fd0; --fixed: #b9a3d8;
  --throttled: #e07b39; --refused: #c8394a; --timeout: #7c2d4f; --met: #1d7f4e; --missed: #b82536; --edge: #946c00; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #15171b; --ink: #e6e8eb; --faint: #9aa1ab; --rule: #33383f;
  --panel: #1d2025; --hit: #5aa2ec; --coalesced: #3b6796; --miss: #46b98a; --answered: #5f8f7c; --stale: #dcb544;
  --lighter: #b390e2;
  --fixed: #7d6a9c; --throttled: #ec9258; --refused: #e5606f; --timeout: #b0608a; --met: #57c48a; --missed: #f0717f;
  --edge: #dcb544; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p, li { color: var(--faint); margin: .2rem 0; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .86rem; }
th, td { padding: .25rem .45rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem; position: sticky; left: 0;
  background: var(--ground); }
th { color: var(--faint); font-weight: 600; }
.met { color: var(--met); } .missed { color: var(--missed); font-weight: 600; } .edge { color: var(--edge); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16.5rem), 1fr)); gap: .6rem; }
figure { margin: 0; padding: .5rem; background: var(--panel); border-radius: 6px; }
figcaption { font-size: .85rem; } figure p { font-size: .78rem; }
svg { width: 100%; height: auto; display: block; } svg text { font: 10px system-ui, sans-serif; fill: var(--faint); }
.grid { stroke: var(--rule); } .fault { fill: var(--refused); opacity: .12; }
.line { fill: none; stroke: currentColor; stroke-width: 1.6; } .layer { fill: currentColor; opacity: .85; }
.key { margin-right: .8rem; white-space: nowrap; }
.key i { display: inline-block; width: .7em; height: .7em; margin-right: .3em; background: currentColor; }
.offered, a { color: var(--ink); }
"""
_COLOURS = ("hit", "coalesced", "miss", "answered", "stale", "lighter", "fixed", "throttled", "refused", "timeout")


def written(found: Sequence[Found]) -> str:
    """The whole page."""
    colours = "".join(f".{name} {{ color: var(--{name}); }}" for name in _COLOURS)
    counts = [_met(each) for each in found]
    contents = (
        f'<li><a href="#{each.name}">{html.escape(each.title)}</a>: {met} of {judged} goals met</li>'
        for each, (met, judged) in zip(found, counts, strict=True)
    )
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>The storm</title>',
        f"<style>{_STYLE}{colours}</style></head><body><h1>The storm</h1>",
        f"<p>{sum(met for met, _ in counts)} of {sum(judged for _, judged in counts)} goals met. Success is the "
        "primary's answer, fresh or stale, compared with what the stand-in provider says to that prompt; "
        "lighter and fixed answers stand beside it and never count. Latency is counted from the planned instant. "
        "Shaded: the provider is made to fail.</p>",
        f"<ul>{''.join(contents)}</ul>",
        *map(_section, found),
        "</body></html>",
    ]
    return "\n".join(parts)


def _met(found: Found) -> tuple[int, int]:
    """How many goals were met, and of how many."""
    verdicts = [figure.verdict for figure in found.figures.figures if figure.verdict]
    return verdicts.count(Verdict.MET), len(verdicts)


def _section(found: Found) -> str:
    parts = [f'<h2 id="{found.name}">{html.escape(found.title)}</h2><p>{html.escape(found.setting)}</p>']
    if found.figures.figures:
        parts.append(_table(("figure", "value", "goal", "", "spread"), map(_figure, found.figures.figures)))
    if found.rows:
        parts.append(
            _table(found.columns, (["<td>" + html.escape(cell) + "</td>" for cell in row] for row in found.rows))
        )
    if found.figures.notes:
        parts.append("<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in found.figures.notes) + "</ul>")
    for run in found.runs:
        parts.append(f'<h3>{html.escape(run.title)}</h3><div class="plots">')
        parts += [plot.svg() for plot in plots(run)]
        parts.append("</div>")
    return "\n".join(parts)


def _figure(figure: Figure) -> list[str]:
    css = {Verdict.MET: "met", Verdict.MISSED: "missed", Verdict.EDGE: "edge", None: ""}[figure.verdict]
    spread = f"{number(min(figure.rounds))} .. {number(max(figure.rounds))}" if len(figure.rounds) > 1 else ""
    goal = str(figure.goal) if figure.goal else ""
    cells = [figure.name, f"{number(figure.median)} {figure.unit}", goal]
    told = [f"<td>{html.escape(cell)}</td>" for cell in cells]
    return [*told, f'<td class="{css}">{figure.verdict or ""}</td>', f"<td>{spread}</td>"]


def _table(columns: Sequence[str], rows) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
