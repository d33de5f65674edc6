"""From the command line to the figures."""

from __future__ import annotations

import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from benchlib.cores import LOAD, SERVER
from benchlib.load import Missing
from benchlib.process import Failed
from benchlib.prompts import WrongAnswer

from . import machine, options, show
from .load import KEYS
from .measure import Found, measure
from .options import ROUNDS_MIN, Options
from .servers import Peers
from .tables import tables

_ROOT = pathlib.Path(__file__).resolve().parents[4]
_PACKAGES = {
    "memcached": "memcached", "redis-server": "redis-server", "nginx": "nginx-light", "varnishd": "varnish",
    "taskset": "util-linux",
}  # fmt: skip

# Cores that may be busy with something else while a server is measured.
_OTHERS_MAX = 0.1


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 done, 1 an answer was wrong, 2 something could not run."""
    chosen = options.read(arguments, {name: table.summary for name, table in tables("digest").items()})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        _run(chosen)
    except WrongAnswer as reason:
        print(f"wrong answer: {reason}", file=sys.stderr)
        return 1
    except (Failed, Missing, OSError, subprocess.SubprocessError) as reason:
        print(f"could not run: {reason}", file=sys.stderr)
        return 2
    return 0


def _end(number: int, _: object) -> None:
    """A request to end unwinds the `with` blocks, which end every server; another one must not interrupt that."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _run(chosen: Options) -> None:
    _install()
    programs = chosen.bin_dir.resolve() if chosen.bin_dir else _build()
    samovar, provider, load = (programs / name for name in ("samovar", "provider", "peer-load"))
    for program in (samovar, provider, load):
        if not program.exists():
            raise Failed(f"{program.name} is not in {programs}")
    wanted = {name: table for name, table in tables(chosen.ask).items() if name in chosen.names}
    where = machine.describe(samovar)
    # In memory, as nginx's cache should be beside caches that are.
    memory = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="samovar-peers-", dir=memory) as folder:
        with Peers(pathlib.Path(folder), samovar, provider, load) as peers:
            found = measure(peers, wanted, chosen)
    print(f"{machine.line(where)}\n{_setting(chosen, found)}\n")
    for name, table in wanted.items():
        print(f"{show.text(name, table, found[name])}\n")
    if chosen.json:
        figures = [show.as_json(name, table, found[name]) for name, table in wanted.items()]
        setting = {"rounds": chosen.rounds, "seconds": chosen.seconds, "keys": KEYS, "ask": chosen.ask}
        chosen.json.write_text(json.dumps({"machine": where, "setting": setting, "tables": figures}, indent=1) + "\n")


def _setting(chosen: Options, found: dict[str, list[Found]]) -> str:
    lines = [
        f"{KEYS:,} keys asked for with zipf 0.99, {chosen.rounds} rounds of {chosen.seconds:g} s, 16 connections where "
        "nothing else is said;",
        "server and load: how much of its core each used",
    ]
    if chosen.ask == "body":
        lines.append("the binary port is asked with whole bodies: its goals are for digests")
    if chosen.rounds < ROUNDS_MIN:
        lines.append(f"fewer than {ROUNDS_MIN} rounds: a trial, no figures")
    if SERVER is None or LOAD is None:
        lines.append("one core for both server and load: no figures")
    others = statistics.median(
        sample.others_busy for table in found.values() for each in table for samples in each.samples.values()
        for sample in samples
    )  # fmt: skip
    if others > _OTHERS_MAX:
        lines.append(f"others used {others:.1f} cores meanwhile: no figures")
    return "\n".join(lines)


def _install() -> None:
    """Through apt, where a server is not there."""
    missing = [package for program, package in _PACKAGES.items() if not shutil.which(program, path=machine.PATH)]
    if missing and subprocess.run([_ROOT / "tools/install", *missing], stdout=sys.stderr).returncode:
        raise Failed(f"these are not here, and could not be installed: {', '.join(missing)}")


def _build() -> pathlib.Path:
    print("building for release", file=sys.stderr, flush=True)
    done = subprocess.run([_ROOT / "tools/release"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed("tools/release does not build")
    return pathlib.Path(done.stdout.strip())
