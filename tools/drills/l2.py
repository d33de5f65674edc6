"""Hits that only Redis has, through one sidecar, beside the same GETs made by redis-benchmark."""

from __future__ import annotations

import random
import subprocess
import sys
import time

from benchlib.cores import LOAD, SERVER
from benchlib.figures import Report, ratios
from benchlib.load import Load
from benchlib.prompts import TOKENS, Prompt
from benchlib.servers import Bench, Server, program_path

from .options import Options

SUMMARY = "hits out of Redis through one sidecar: rate, and what one costs, beside redis-benchmark's GETs"

_KEYS, _ASKED, _CONNECTIONS = 4_000, 8_000, 32


def run(bench: Bench, options: Options) -> Report:
    report = Report(
        "l2",
        f"{_KEYS:,} answers of 2 KiB in Redis, asked for at random {_ASKED:,} times a round over {_CONNECTIONS} "
        f"connections; L1 holds a tenth of them; {options.rounds} rounds; Redis and the load share a core",
    )
    load = Load(bench.folder, LOAD)
    provider = bench.provider("--tokens", str(TOKENS), core=LOAD)
    redis = bench.redis(core=LOAD)
    sidecar = bench.sidecar(provider, redis, core=SERVER, CACHE__L1_SIZE_MAX="1MiB")
    prompts = [Prompt(f"l2 {number}") for number in range(_KEYS)]
    print("filling", file=sys.stderr, flush=True)
    load.ask(sidecar.port, prompts, _CONNECTIONS)
    time.sleep(1)
    rates, gets, costs, shares = [], [], [], []
    before = provider.calls
    for round in range(options.rounds):
        print(f"round {round + 1} of {options.rounds}", file=sys.stderr, flush=True)
        asked = random.Random(round).choices(prompts, k=_ASKED)
        hits, cpu = _l2_hits(sidecar), sidecar.process.cpu_seconds
        exchanges = load.ask(sidecar.port, asked, _CONNECTIONS)
        seconds = max(one.last_at for one in exchanges) - min(one.sent_at for one in exchanges)
        rates.append(len(exchanges) / seconds)
        costs.append((sidecar.process.cpu_seconds - cpu) / len(exchanges) * 1e6)
        shares.append((_l2_hits(sidecar) - hits) / len(exchanges) * 100)
        gets.append(_redis_benchmark(redis))
    report.add("hits through the sidecar", rates, "/s")
    report.add("of them out of Redis", shares, "%")
    report.add("CPU of the sidecar a hit", costs, "us")
    report.add("redis-benchmark, GET of as much", gets, "/s")
    report.add("sidecar over redis-benchmark", ratios(rates, gets), "x")
    report.note(f"{options.rounds * _ASKED:,} answers verified; {provider.calls - before} upstream calls meanwhile")
    return report


def _l2_hits(sidecar: Server) -> int:
    return int(sidecar.get_json("/stats.json")["requests"]["l2_hit"])


def _redis_benchmark(redis: Server) -> float:
    """GETs a second of one value as large as an answer."""
    command = [program_path("redis-benchmark", "redis-tools"), "-p", str(redis.port), "-c", str(_CONNECTIONS)]
    command += ["-n", "40000", "-d", "2500", "-t", "set,get", "--csv"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, timeout=120)
    row = next(line for line in done.stdout.splitlines() if line.startswith('"GET"'))
    return float(row.split(",")[1].strip('"'))
