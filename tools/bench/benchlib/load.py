"""The two clients: `load.c` (every answer and when it came), and wrk (as many as possible)."""

from __future__ import annotations

import bisect
import dataclasses
import json
import pathlib
import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence

from .prompts import Prompt, WrongAnswer

_HERE = pathlib.Path(__file__).resolve().parent.parent


class Missing(Exception):
    """Something that a benchmark needs is not on this machine."""


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One request's answer. Instants are in seconds, of one clock."""

    whole: bool
    sent_at: float
    ends: Sequence[int]
    instants: Sequence[float]
    answer: bytes

    @property
    def last_at(self) -> float:
        return self.instants[-1]

    @property
    def milliseconds(self) -> float:
        """From the request to the answer's last byte."""
        return (self.last_at - self.sent_at) * 1e3

    def first_token_at(self, prompt: Prompt) -> float:
        """When the first token had come."""
        end = self.answer.index(prompt.first_token) + len(prompt.first_token)
        return self.instants[bisect.bisect_left(self.ends, end)]


class Load:
    """Sends requests in a closed loop; compiled when a benchmark begins."""

    def __init__(self, folder: pathlib.Path, core: int | None = None) -> None:
        self._program = folder / "load"
        self._pin = pinned(core)
        if not self._program.exists():
            compiler = shutil.which("cc")
            if not compiler:
                raise Missing("cc is not here: apt-get install gcc")
            subprocess.run([compiler, "-O2", "-o", self._program, _HERE / "load.c"], check=True)

    def send(
        self, port: int, requests: Iterable[bytes], connections: int = 1, seconds_max: int = 120
    ) -> list[Exchange]:
        """All requests over so many connections; the answers in the order of the requests."""
        blobs = b"".join(struct.pack("<I", len(request)) + request for request in requests)
        command = [*self._pin, str(self._program), str(port), str(connections), str(seconds_max)]
        done = subprocess.run(command, input=blobs, stdout=subprocess.PIPE, check=True)
        return list(_exchanges(done.stdout))

    def ask(
        self, port: int, prompts: Sequence[Prompt], connections: int = 1, headers: Sequence[str] = ()
    ) -> list[Exchange]:
        """The prompts' answers, none of which is wrong."""
        exchanges = self.send(port, (prompt.request(*headers) for prompt in prompts), connections)
        for prompt, exchange in zip(prompts, exchanges, strict=True):
            if not exchange.whole:
                raise WrongAnswer(f"{prompt.name}: the connection ended early: {exchange.answer[-200:]!r}")
            prompt.check(exchange.answer)
        return exchanges


def _exchanges(output: bytes) -> Iterable[Exchange]:
    at = 0
    while at < len(output):
        whole, sent_at, count = struct.unpack_from("<IQI", output, at)
        at += 16
        marks = list(struct.iter_unpack("<IQ", output[at : at + 12 * count]))
        at += 12 * count
        (size,) = struct.unpack_from("<I", output, at)
        at += 4
        ends, instants = [end for end, _ in marks], [instant / 1e9 for _, instant in marks]
        yield Exchange(bool(whole), sent_at / 1e9, ends, instants, output[at : at + size])
        at += size


class Wrk:
    """Asks warmed prompts at random for a fixed time, on keep-alive connections."""

    def __init__(self, folder: pathlib.Path, prompts: Sequence[Prompt], core: int | None = None) -> None:
        program = shutil.which("wrk")
        if not program:
            raise Missing("wrk is not here: apt-get install wrk")
        self._program = program
        self._pin = pinned(core)
        self._bodies = folder / "bodies"
        self._bodies.write_bytes(b"".join(prompt.body + b"\n" for prompt in prompts))

    def run(self, port: int, connections: int, seconds: int) -> tuple[int, float]:
        """Returns how many were answered, and in how many seconds."""
        script = str(_HERE / "hit.lua")
        command = [*self._pin, self._program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script]
        command += [f"http://127.0.0.1:{port}/v1/chat/completions", "--", str(self._bodies)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=seconds + 60)
        summary = json.loads(done.stdout.splitlines()[-1])
        if summary["errors"]:
            raise WrongAnswer(f"wrk met {summary['errors']} errors")
        return summary["requests"], summary["seconds"]


def pinned(core: int | None) -> list[str]:
    """The words before a command that keep it on one core."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(core)] if taskset and core is not None else []
