"""What the command line says."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

ROUNDS_MIN = 9


@dataclasses.dataclass(frozen=True)
class Options:
    """Of one run."""

    names: list[str]
    rounds: int
    seconds: float
    json: pathlib.Path | None
    bin_dir: pathlib.Path | None
    ask: str


_EPILOG = f"""\
One server after the other is asked, in turn within each round, by one load program: the servers share one core, the
load has another. Ratios are those of a round; the median is shown with the spread of the rounds. "at the edge of
noise" means that not all rounds agree about the goal. A missed goal is no failure: the exit status is 0 unless
something could not run (2) or an answer was wrong (1).

Example:
  tools/bench/peers/run                             all tables, on release binaries that it builds
  tools/bench/peers/run --only tcp --only http --json figures.json
  tools/bench/peers/run --bin-dir .build-release/release --rounds 2 --seconds 0.3   a trial: figures need {ROUNDS_MIN} rounds

Installs through apt what is missing of memcached, redis-server, nginx-light and varnish. Everything that it starts
listens on free ports of the loopback address and is ended with it, also after Ctrl-C.
"""


def read(arguments: Sequence[str], tables: Mapping[str, str]) -> Options:
    """Reads the command line; `tables` says in a line what each one measures."""
    listing = "\n".join(f"  {name:<9}{line}" for name, line in tables.items())
    parser = argparse.ArgumentParser(
        prog="tools/bench/peers/run",
        description=f"Measures the sidecar's hits beside memcached, Redis, nginx and Varnish.\n\nTables:\n{listing}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", choices=list(tables),
                        help="measure this table (may be repeated; default: all)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, metavar="N",
                        help=f"rounds (default: {ROUNDS_MIN}; fewer are a trial)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=1, metavar="S",
                        help="how long each server is asked in a round (default: 1)")  # fmt: skip
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures there, round by round")
    parser.add_argument("--bin-dir", type=pathlib.Path, metavar="DIR",
                        help="folder with samovar, provider and peer-load, in place of a release build")  # fmt: skip
    parser.add_argument("--ask", choices=["digest", "body"], default="digest",
                        help="what the sidecar's binary port is asked with (default: digest)")  # fmt: skip
    parsed = parser.parse_args(arguments)
    if parsed.rounds < 1:
        parser.error("--rounds takes 1 or more")
    if not 0.1 <= parsed.seconds <= 60:
        parser.error("--seconds takes 0.1 to 60")
    names = [name for name in tables if name in parsed.only or not parsed.only]
    return Options(names, parsed.rounds, parsed.seconds, parsed.json, parsed.bin_dir, parsed.ask)
