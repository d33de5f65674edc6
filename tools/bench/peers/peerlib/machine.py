"""Where the figures were measured."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shutil
import subprocess

from benchlib.cores import LOAD, SERVER

_VERSIONS = {
    "memcached": ["memcached", "-V"],
    "redis": ["redis-server", "--version"],
    "nginx": ["nginx", "-v"],
    "varnish": ["varnishd", "-V"],
}
PATH = f"{os.environ.get('PATH', '/usr/bin')}:/usr/sbin:/usr/local/sbin"


def describe(samovar: pathlib.Path) -> dict[str, object]:
    """What decides about figures, and can be known."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "server_core": SERVER,
        "load_core": LOAD,
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "versions": {"samovar": _version([str(samovar), "--version"])} | {
            name: _version(command) for name, command in _VERSIONS.items()
        },
    }  # fmt: skip


def line(machine: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    return (
        f"{machine['cores']} cores ({machine['cpu']}), Linux {machine['kernel']}, "
        f"load average {machine['load_average']:.1f} at the start\n{versions}"
    )


def _cpu() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(command: list[str]) -> str | None:
    """The first thing that looks like one in what the program says of itself."""
    program = shutil.which(command[0], path=PATH)
    if not program:
        return None
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=30)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found.group() if found else None
