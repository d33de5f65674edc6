"""What the command line says."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import textwrap
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Options:
    """Of one run."""

    names: list[str]
    rounds: int
    entries: int
    json: pathlib.Path | None
    bin_dir: pathlib.Path | None
    stored_size: pathlib.Path | None


ROUNDS_MIN = 5

_EXAMPLE = """\
Figures stand beside something that was measured in the same run, round by round in turn; the median is shown with the
spread of the rounds. "at the edge of noise" means that not all rounds agree about the goal. A missed goal is no
failure: the exit status is 0 unless a benchmark could not run (2) or an answer was wrong (1).

Example:
  tools/bench/run                                 all of them, on release binaries that it builds
  tools/bench/run hit miss --json figures.json
  tools/bench/run hit --bin-dir .build/debug      on binaries that are there

Wants on this machine: cc, wrk, redis-server, nginx, varnishd with varnish-modules (apt-get install gcc wrk redis-server
nginx-light varnish varnish-modules). Without a rival it says so and goes on.

Environment:
  SAMOVAR_TEST_DATA   folder with wire/recorded-chat.jsonl.xz and wire/samples/*.sse, for "stored" and
                      "render"
"""


def read(arguments: Sequence[str], benchmarks: Mapping[str, str]) -> Options:
    """Reads the command line; `benchmarks` says in a line what each one measures."""
    listing = "\n".join(f"  {name:<8}{line}" for name, line in benchmarks.items())
    parser = argparse.ArgumentParser(
        prog="tools/bench/run",
        description=f"Measures the sidecar beside what it competes with.\n\nBenchmarks:\n{listing}",
        epilog=textwrap.dedent(_EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)")
    parser.add_argument("--rounds", type=int, default=0, metavar="N",
                        help=f"rounds of each benchmark, at least {ROUNDS_MIN} (default: the benchmark's own)")  # fmt: skip
    parser.add_argument("--entries", type=int, default=100_000, metavar="N",
                        help="entries of memory (default: 100000)")  # fmt: skip
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures there, round by round")
    parser.add_argument("--bin-dir", type=pathlib.Path, metavar="DIR",
                        help="folder with samovar and provider, in place of a release build")  # fmt: skip
    parser.add_argument("--stored-size", type=pathlib.Path, metavar="PATH", help="the program that stored and render ask")
    parsed = parser.parse_args(arguments)
    unknown = [name for name in parsed.names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]}; there are {', '.join(benchmarks)}")
    if parsed.rounds and parsed.rounds < ROUNDS_MIN:
        parser.error(f"--rounds takes {ROUNDS_MIN} or more: fewer say nothing about noise")
    if parsed.entries < 1000:
        parser.error("--entries takes 1000 or more")
    names = parsed.names or list(benchmarks)
    return Options(names, parsed.rounds, parsed.entries, parsed.json, parsed.bin_dir, parsed.stored_size)
