"""What the command line says."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import textwrap
from collections.abc import Mapping, Sequence

_EXAMPLE = """\
Every answer is verified: what the stand-in provider says is a function of what it is asked. Figures stand beside
something that was measured in the same run. A missed goal is no failure: the exit status is 0 unless a drill could not
run (2), or an answer was wrong or missing (1).

Example:
  tools/drill herd --pods 2 --callers 250
  tools/drill redis --healthy 60 --frozen 90
  tools/drill cancel --count 1000000 --seed 1
  tools/drill herd --bin-dir .build/debug --rounds 1      on binaries that are there

Wants on this machine: cc, redis-server; herd also varnishd with varnish-modules (apt-get install gcc redis-server
varnish varnish-modules). Without a rival it says so and goes on.
"""


@dataclasses.dataclass(frozen=True)
class Options:
    """Of one run."""

    name: str
    pods: int
    callers: int
    rounds: int
    healthy: float
    frozen: float
    back: float
    flapping: float
    count: int
    seed: int
    broken: bool
    waiters: int
    json: pathlib.Path | None
    bin_dir: pathlib.Path | None
    # What the programs are found by (benchlib.binaries).
    stored_size: pathlib.Path | None = None


def read(arguments: Sequence[str], drills: Mapping[str, str]) -> Options:
    """Reads the command line; `drills` says in a line what each one does."""
    listing = "\n".join(f"  {name:<8}{line}" for name, line in drills.items())
    parser = argparse.ArgumentParser(
        prog="tools/drill",
        description=f"Puts the sidecar through a bad day.\n\nDrills:\n{listing}",
        epilog=textwrap.dedent(_EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="DRILL", choices=list(drills), help=", ".join(drills))
    parser.add_argument("--pods", type=int, default=2, metavar="N", help="herd: sidecars on one Redis (default: 2)")
    parser.add_argument("--callers", type=int, default=250, metavar="N", help="herd: callers at each (default: 250)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="herd, l2: rounds of each kind (default: 5)")
    parser.add_argument("--healthy", type=float, default=60, metavar="S", help="redis: seconds before (default: 60)")
    parser.add_argument("--frozen", type=float, default=90, metavar="S", help="redis: seconds frozen (default: 90)")
    parser.add_argument("--back", type=float, default=20, metavar="S", help="redis: seconds after (default: 20)")
    parser.add_argument("--flapping", type=float, default=300, metavar="S", help="flap: seconds (default: 300)")
    parser.add_argument("--count", type=int, default=1_000_000, metavar="N", help="cancel: callers who leave (default: 1000000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="cancel: of all that is random (default: 1)")
    parser.add_argument("--broken", action="store_true", help="cancel: on connections that are used on after a timeout; must find wrong replies")
    parser.add_argument("--waiters", type=int, default=62_500, metavar="N", help="crowd: callers (default: 62500)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures there, round by round")
    parser.add_argument("--bin-dir", type=pathlib.Path, metavar="DIR",
                        help="folder with samovar and provider, in place of a release build")  # fmt: skip
    parsed = parser.parse_args(arguments)
    for name, least, most in (("pods", 1, 16), ("callers", 1, 5_000), ("rounds", 1, 100),
                              ("count", 100, 100_000_000), ("waiters", 1_000, 1_000_000)):  # fmt: skip
        if not least <= getattr(parsed, name) <= most:
            parser.error(f"--{name} takes {least} to {most}")
    for name in ("healthy", "frozen", "back", "flapping"):
        if not 1 <= getattr(parsed, name) <= 3_600:
            parser.error(f"--{name} takes 1 to 3600 seconds")
    return Options(**vars(parsed))
