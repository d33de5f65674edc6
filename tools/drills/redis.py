"""Redis healthy, then frozen, then killed and restarted empty, under load all the while."""

from __future__ import annotations

import dataclasses
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchlib.figures import Report, percentile
from benchlib.load import Exchange, Load
from benchlib.process import Process, free_port
from benchlib.prompts import Prompt
from benchlib.servers import Bench, Server, program_path

from .options import Options

SUMMARY = "Redis freezes, dies and comes back empty under load: failed requests, latencies, memory, log"

_TOKENS = 20
_HIT_KEYS = 200
# Of one batch; batches follow each other without a pause, hits and misses side by side.
_HITS, _MISSES, _CONNECTIONS = 1_000, 100, 4
# How long the first commands may be waited for before the breaker has opened.
_OPENING = 1.0


@dataclasses.dataclass
class Phase:
    """What was seen while Redis was in one state."""

    name: str
    began: float
    hits: list[Exchange] = dataclasses.field(default_factory=list)
    misses: list[Exchange] = dataclasses.field(default_factory=list)
    resident: list[int] = dataclasses.field(default_factory=list)
    log_bytes: int = 0
    log_lines: int = 0

    @property
    def count(self) -> int:
        return len(self.hits) + len(self.misses)


def run(bench: Bench, options: Options) -> Report:
    load = Load(bench.folder)
    provider = bench.provider("--tokens", str(_TOKENS))
    provider.get_json("/control", {"json_ms": 5, "first_token_ms": 0, "token_ms": 0})
    port = free_port()
    with Redis(bench, port) as redis:
        # As much memory as the healthy phase fills: what grows after it is not the cache.
        settings = {"REDIS__URL": f"redis://127.0.0.1:{port}/0", "CACHE__L1_SIZE_MAX": "16MiB"}
        sidecar = bench.sidecar(provider, **settings)
        prompts = [Prompt(f"hit {number}", tokens=_TOKENS) for number in range(_HIT_KEYS)]
        load.ask(sidecar.port, prompts, _CONNECTIONS)
        _wait_for_redis(sidecar, load, 10)
        log = Log(bench)
        healthy = _phase("healthy", sidecar, load, prompts, options.healthy, log)
        redis.freeze()
        frozen = _phase("frozen", sidecar, load, prompts, options.frozen, log)
        redis.restart()
        back_after = _wait_for_redis(sidecar, load, 60)
        back = _phase("back", sidecar, load, prompts, options.back, log)
    return _report(healthy, frozen, back, back_after, options)


def _phase(
    name: str, sidecar: Server, load: Load, prompts: Sequence[Prompt], seconds: float, log: Log
) -> Phase:
    phase = Phase(name, time.monotonic())
    log.take()
    deadline = phase.began + seconds
    print(f"{name}, {seconds:.0f} s", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(2) as pool:
        while time.monotonic() < deadline:
            run = secrets.token_hex(6)
            misses = [Prompt(f"miss {run} {number}", tokens=_TOKENS) for number in range(_MISSES)]
            hits = [prompts[number % len(prompts)] for number in range(_HITS)]
            asked = pool.submit(load.ask, sidecar.port, misses, _CONNECTIONS)
            # Who does not get its own answer ends the drill: there is no failed request to be counted.
            phase.hits += map(_light, load.ask(sidecar.port, hits, _CONNECTIONS))
            phase.misses += map(_light, asked.result())
            phase.resident.append(sidecar.process.resident_bytes)
    phase.log_bytes, phase.log_lines = log.take()
    return phase


def _light(exchange: Exchange) -> Exchange:
    """Without the answer, which has been verified."""
    return dataclasses.replace(exchange, answer=b"", ends=(), instants=(exchange.last_at,))


class Redis:
    """One that is frozen, killed and started again on the same port."""

    def __init__(self, bench: Bench, port: int) -> None:
        self._folder = bench.folder
        self._port = port
        self._process = self._start()

    def _start(self) -> Process:
        command = [program_path("redis-server", "redis-server"), "--port", str(self._port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        process = Process(command, self._folder / "redis-log")
        process.wait_for(self._port)
        return process

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def restart(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.__exit__()
        self._process = self._start()

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._process.pid, signal.SIGCONT)
        self._process.__exit__()


class Log:
    """What the sidecar has written since the last look."""

    def __init__(self, bench: Bench) -> None:
        self._path = max(bench.folder.glob("sidecar-*/log"))
        self._at = 0

    def take(self) -> tuple[int, int]:
        text = self._path.read_bytes()[self._at :]
        self._at += len(text)
        return len(text), text.count(b"\n")


def _wait_for_redis(sidecar: Server, load: Load, seconds_max: float) -> float:
    """Until its commands go to Redis again, which it tries when it has some; returns after how long."""
    began = time.monotonic()
    while time.monotonic() - began < seconds_max:
        load.ask(sidecar.port, [Prompt(f"back {secrets.token_hex(6)}", tokens=_TOKENS)])
        if sidecar.get_json("/stats.json").get("redis", {}).get("breaker") == "closed":
            return time.monotonic() - began
        time.sleep(0.02)
    return float("inf")


def _report(healthy: Phase, frozen: Phase, back: Phase, back_after: float, options: Options) -> Report:
    report = Report(
        "redis",
        f"{_CONNECTIONS} connections for hits of {_HIT_KEYS} keys and {_CONNECTIONS} for misses, closed loop; Redis "
        f"healthy {options.healthy:.0f} s, frozen {options.frozen:.0f} s, then killed and restarted empty; goals stand "
        f"beside the healthy phase of this run",
    )
    usual = percentile(_milliseconds(healthy.misses), 0.5)
    for phase in (healthy, frozen, back):
        report.add(f"{phase.name}: requests verified", [phase.count])
        hits = _milliseconds(phase.hits)
        report.add(f"{phase.name}: L1 hit, p50", [percentile(hits, 0.5)], "ms")
        report.add(f"{phase.name}: L1 hit, p99", [percentile(hits, 0.99)], "ms", at_most=5 if phase is frozen else None)
        misses = _milliseconds(phase.misses)
        report.add(f"{phase.name}: miss, p50", [percentile(misses, 0.5)], "ms")
        report.add(f"{phase.name}: miss, p99", [percentile(misses, 0.99)], "ms")
    early = [one for one in frozen.misses if one.sent_at < frozen.began + _OPENING]
    late = [one for one in frozen.misses if one.sent_at >= frozen.began + 2 * _OPENING]
    if early:
        report.add("frozen, first second: slowest miss, later than a healthy one's p50",
                   [max(_milliseconds(early)) - usual], "ms", at_most=50)  # fmt: skip
    if late:
        report.add("frozen, after two seconds: miss p50, over the healthy one's",
                   [percentile(_milliseconds(late), 0.5) / usual], "x", at_most=1.1)  # fmt: skip
    report.add("L2 back after Redis", [back_after], "s", at_most=5)
    report.add("RSS, largest since, over the largest while healthy",
               [max(frozen.resident + back.resident) / max(healthy.resident)], "x", at_most=1.2)  # fmt: skip
    report.add("frozen: log a request", [frozen.log_bytes / max(1, frozen.count)], "B", at_most=200)
    report.add("frozen: log lines", [frozen.log_lines], at_most=3)
    report.add("back: log lines", [back.log_lines], at_most=4)
    report.note("0 failed requests: the drill ends with the first answer that is wrong or missing")
    return report


def _milliseconds(exchanges: Sequence[Exchange]) -> list[float]:
    return [exchange.milliseconds for exchange in exchanges]
