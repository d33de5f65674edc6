"""A process that a benchmark starts, watches and ends."""

from __future__ import annotations

import os
import pathlib
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence

from .load import pinned

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A process did not start, or ended before its time."""


class Process:
    """A child process with its own log, ended by its id when the `with` block is left."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        log: pathlib.Path,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                [*pinned(core), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()

    def first_line(self, seconds_max: float = 30) -> str:
        """The first line on its standard output."""
        assert self._child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            line = self._child.stdout.readline().decode() if selector.select(seconds_max) else ""
        if not line:
            raise Failed(f"{self._child.args} said nothing: {self._last_words}")
        return line

    def wait_for(self, port: int, seconds_max: float = 30) -> None:
        """Until it accepts connections."""
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._child.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{self._child.args} does not listen: {self._last_words}") from None
                time.sleep(0.02)

    @property
    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-500:]

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def cpu_seconds(self) -> float:
        """User and system time of it and its children so far."""
        return sum(_cpu_seconds(pid) for pid in self._family)

    @property
    def resident_bytes(self) -> int:
        """VmRSS of it and its children."""
        return sum(_kibibytes(pid, "status", "VmRSS:") for pid in self._family)

    @property
    def proportional_bytes(self) -> int:
        """Pss of it and its children: pages that they share count once."""
        return sum(_kibibytes(pid, "smaps_rollup", "Pss:") for pid in self._family)

    @property
    def _family(self) -> list[int]:
        family = [self.pid]
        for pid in family:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                family += map(int, (task / "children").read_text().split())
        return family


def _cpu_seconds(pid: int) -> float:
    # Fields 14 and 15, counted after the command's name, which may hold blanks (proc(5)).
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _kibibytes(pid: int, file: str, label: str) -> int:
    for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(label):
            return int(line.split()[1]) * 1024
    raise Failed(f"/proc/{pid}/{file} has no {label}")


def free_port() -> int:
    """A port of the loopback address that nobody had a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
