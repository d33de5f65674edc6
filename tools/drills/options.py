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
  tools/drill storm --report storm.html                   twenty minutes; --quick: five
  tools/drill storm --phase ramp --only direct,varnish,everything
  tools/drill cancel --count 1000000 --seed 1
  tools/drill herd --bin-dir .build/debug --rounds 1      on binaries that are there

Wants on this machine: cc, redis-server; herd and storm also varnishd with varnish-modules, storm nginx too (apt-get
install gcc redis-server nginx-light varnish varnish-modules). Without a rival it says so and goes on.

Environment:
  SAMOVAR_TEST_DATA   folder with prompts/, for storm
"""

# Of the storm.
PHASES = ("ramp", "errors", "silent", "slow", "cut", "back", "tenants", "targets")
FRONTS = ("direct", "nginx", "varnish", "none", "cache", "pace", "learned", "everything")


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
    phase: Sequence[str]
    only: Sequence[str]
    seed: int
    quick: bool
    report: pathlib.Path | None
    flapping: float
    count: int
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
    parser.add_argument("--rounds", type=int, default=0, metavar="N",
                        help="rounds of each kind (default: 5; storm: 1, 3 of tenants)")  # fmt: skip
    parser.add_argument("--healthy", type=float, default=60, metavar="S", help="redis: seconds before (default: 60)")
    parser.add_argument("--frozen", type=float, default=90, metavar="S", help="redis: seconds frozen (default: 90)")
    parser.add_argument("--back", type=float, default=20, metavar="S", help="redis: seconds after (default: 20)")
    parser.add_argument("--phase", type=_names, default=(), metavar="NAMES", help=f"storm: of {', '.join(PHASES)}")
    parser.add_argument("--only", type=_names, default=(), metavar="NAMES", help=f"storm, ramp: of {', '.join(FRONTS)}")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="storm, cancel: of all that is drawn (default: 1)")
    parser.add_argument("--quick", action="store_true", help="storm: everything shortened, for a look")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE", help="storm: write a page with plots there")
    parser.add_argument("--flapping", type=float, default=300, metavar="S", help="flap: seconds (default: 300)")
    parser.add_argument("--count", type=int, default=1_000_000, metavar="N", help="cancel: callers who leave (default: 1000000)")
    parser.add_argument("--broken", action="store_true", help="cancel: on connections that are used on after a timeout; must find wrong replies")
    parser.add_argument("--waiters", type=int, default=62_500, metavar="N", help="crowd: callers (default: 62500)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures there, round by round")
    parser.add_argument("--bin-dir", type=pathlib.Path, metavar="DIR",
                        help="folder with samovar and provider, in place of a release build")  # fmt: skip
    parsed = parser.parse_args(arguments)
    parsed.rounds = parsed.rounds or (1 if parsed.name == "storm" else 5)
    for name, known in (("phase", PHASES), ("only", FRONTS)):
        unknown = [word for word in getattr(parsed, name) if word not in known]
        if unknown:
            parser.error(f"--{name} knows no {unknown[0]}; there are {', '.join(known)}")
    if parsed.report and parsed.name != "storm":
        parser.error("--report is for storm")
    for name, least, most in (("pods", 1, 16), ("callers", 1, 5_000), ("rounds", 1, 100),
                              ("count", 100, 100_000_000), ("waiters", 1_000, 1_000_000)):  # fmt: skip
        if not least <= getattr(parsed, name) <= most:
            parser.error(f"--{name} takes {least} to {most}")
    for name in ("healthy", "frozen", "back", "flapping"):
        if not 1 <= getattr(parsed, name) <= 3_600:
            parser.error(f"--{name} takes 1 to 3600 seconds")
    return Options(**vars(parsed))


def _names(argument: str) -> tuple[str, ...]:
    return tuple(argument.split(","))
