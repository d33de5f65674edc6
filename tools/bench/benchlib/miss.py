"""What the sidecar adds to a call that it cannot answer itself."""

from __future__ import annotations

import statistics
from collections import defaultdict

from .cores import LOAD, SERVER
from .figures import Report, differences, percentile, ratios
from .load import Exchange, Load
from .options import Options
from .prompts import TOKENS, Prompt
from .servers import Bench, Server

SUMMARY = "what a call that has to go upstream takes longer, against a direct call and a Redis round trip"

_REQUESTS = 400
_WARM_UP = 50
_CPU_REQUESTS = 4000
_CPU_CONNECTIONS = 32


def measure(bench: Bench, options: Options) -> Report:
    rounds = options.rounds or 9
    report = Report("miss", f"prompts of 1 KiB, each new; answers of 2 KiB at once; {rounds} rounds of {_REQUESTS}")
    _measure_latency(bench, rounds, report)
    _measure_cpu(bench, rounds, report)
    return report


def _measure_latency(bench: Bench, rounds: int, report: Report) -> None:
    """One request at a time, on all cores: the kernel places the processes, as it does in a pod."""
    with bench.apart() as apart:
        load = Load(apart.folder)
        provider = apart.provider("--tokens", str(TOKENS))
        redis = apart.redis()
        servers = {
            "direct": provider, "L2 off": apart.sidecar(provider), "L2 on": apart.sidecar(provider, redis),
        }  # fmt: skip
        medians: dict[str, list[float]] = defaultdict(list)
        tails: dict[str, list[float]] = defaultdict(list)
        answer = load.ask(provider.port, [Prompt("miss size")])[0].answer
        for round in range(rounds):
            order = [*servers, "redis"]
            for name in order[round % 4 :] + order[: round % 4]:
                if name == "redis":
                    exchanges = _redis_round_trips(load, redis, answer)
                else:
                    exchanges = _misses(load, servers[name], f"miss {round} {name}")
                times = [exchange.milliseconds for exchange in exchanges[_WARM_UP:]]
                medians[name].append(statistics.median(times))
                tails[name].append(percentile(times, 0.99))
        if servers["L2 on"].get_json("/stats.json")["redis"]["misses"] < rounds * _REQUESTS:
            report.note("L2 was not asked for every request: its breaker or its limit stepped in")
    _report_latency(report, medians, tails)


def _misses(load: Load, server: Server, name: str) -> list[Exchange]:
    return load.ask(server.port, [Prompt(f"{name} {index}") for index in range(_REQUESTS + _WARM_UP)])


def _redis_round_trips(load: Load, redis: Server, value: bytes) -> list[Exchange]:
    key = b"round-trip"
    load.send(redis.port, [b"*3\r\n$3\r\nSET\r\n$10\r\n%b\r\n$%d\r\n%b\r\n" % (key, len(value), value)])
    get = b"*2\r\n$3\r\nGET\r\n$10\r\n%b\r\n" % key
    exchanges = load.send(redis.port, [get] * (_REQUESTS + _WARM_UP))
    assert all(value in exchange.answer for exchange in exchanges)
    return exchanges


def _report_latency(report: Report, medians: dict[str, list[float]], tails: dict[str, list[float]]) -> None:
    added = differences(medians["L2 off"], medians["direct"])
    added_by_redis = differences(medians["L2 on"], medians["L2 off"])
    report.add("added over direct, L2 off, median", added, "ms", at_most=0.25)
    report.add("added over direct, L2 off, p99", differences(tails["L2 off"], tails["direct"]), "ms")
    report.add("through it / direct, L2 off", ratios(medians["L2 off"], medians["direct"]), "x")
    report.add("added by L2, median", added_by_redis, "ms")
    report.add("added by L2 / a Redis round trip", ratios(added_by_redis, medians["redis"]), "x", at_most=1.5)
    report.add("added over direct, L2 on, p99", differences(tails["L2 on"], tails["direct"]), "ms")


def _measure_cpu(bench: Bench, rounds: int, report: Report) -> None:
    """Many at once, the server on a core of its own: what a miss costs."""
    with bench.apart() as apart:
        load = Load(apart.folder, core=LOAD)
        provider = apart.provider("--tokens", str(TOKENS), core=LOAD)
        redis = apart.redis(core=LOAD)
        servers = {
            "L2 off": apart.sidecar(provider, core=SERVER), "L2 on": apart.sidecar(provider, redis, core=SERVER),
        }  # fmt: skip
        rivals, missing = apart.rivals(
            lambda: apart.nginx(provider, core=SERVER), lambda: apart.varnish(provider, core=SERVER)
        )
        servers |= {rival.name: rival for rival in rivals}
        micros: dict[str, list[float]] = defaultdict(list)
        for round in range(rounds):
            names = list(servers)
            for name in names[round % len(names) :] + names[: round % len(names)]:
                micros[name].append(_cpu_per_miss(load, servers[name], f"miss CPU {round} {name}"))
    for name, most in (("L2 off", 100), ("L2 on", None)):
        report.add(f"CPU per miss at {_CPU_CONNECTIONS} connections, {name}", micros[name], "us", at_most=most)
    for rival in rivals:
        report.add(f"CPU per miss, L2 off / {rival.name}", ratios(micros["L2 off"], micros[rival.name]), "x")
    report.notes += missing


def _cpu_per_miss(load: Load, server: Server, name: str) -> float:
    before = server.process.cpu_seconds
    load.ask(server.port, [Prompt(f"{name} {index}") for index in range(_CPU_REQUESTS)], _CPU_CONNECTIONS)
    return (server.process.cpu_seconds - before) / _CPU_REQUESTS * 1e6
