"""Redis comes and goes every second, under load."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time

from benchlib.figures import Report, percentile
from benchlib.load import Load
from benchlib.prompts import Prompt
from benchlib.servers import Bench

from .options import Options

SUMMARY = "Redis frozen and running by turns of a second, under load: failed requests, probes, log lines"

_TOKENS = 20
_MISSES, _CONNECTIONS = 40, 4


def run(bench: Bench, options: Options) -> Report:
    report = Report("flap", f"Redis 1 s frozen, 1 s running, for {options.flapping:.0f} s; {_CONNECTIONS} connections of misses")
    load = Load(bench.folder)
    provider = bench.provider("--tokens", str(_TOKENS))
    provider.get_json("/control", {"json_ms": 1, "first_token_ms": 0, "token_ms": 0})
    redis = bench.redis()
    sidecar = bench.sidecar(provider, redis)
    load.ask(sidecar.port, [Prompt("before", tokens=_TOKENS)])
    log = max(bench.folder.glob("sidecar-*/log"))
    before, misses, count = len(log.read_text().splitlines()), [], 0
    over = threading.Event()
    flapping = threading.Thread(target=_flap, args=(redis.process.pid, over), daemon=True)
    flapping.start()
    began = told = time.monotonic()
    try:
        while time.monotonic() - began < options.flapping:
            run = secrets.token_hex(6)
            asked = load.ask(sidecar.port, [Prompt(f"{run} {n}", tokens=_TOKENS) for n in range(_MISSES)], _CONNECTIONS)
            misses += [one.milliseconds for one in asked]
            count += len(asked)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{told - began:.0f} s, {count} requests", file=sys.stderr, flush=True)
    finally:
        over.set()
        flapping.join()
    stats = sidecar.get_json("/stats.json")["redis"]
    lines = len(log.read_text().splitlines()) - before
    report.add("requests verified", [count])
    report.add("miss, p50", [percentile(misses, 0.5)], "ms")
    report.add("miss, p99", [percentile(misses, 0.99)], "ms")
    report.add("commands that Redis did not answer", [stats["timeouts"] + stats["errors"]])
    report.add("of them a second of its being frozen", [(stats["timeouts"] + stats["errors"]) / (options.flapping / 2)], at_most=20)
    report.add("log lines", [lines], at_most=3 + options.flapping / 5)
    report.note("0 failed requests: the drill ends with the first answer that is wrong or missing")
    return report


def _flap(pid: int, over: threading.Event) -> None:
    frozen = False
    while not over.wait(1):
        frozen = not frozen
        os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)
