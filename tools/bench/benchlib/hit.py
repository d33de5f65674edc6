"""What a hit costs, against the caches that people put before an API today."""

from __future__ import annotations

from collections import defaultdict

from .cores import LOAD, SERVER
from .figures import Report, ratios
from .load import Load, Wrk
from .options import Options
from .prompts import TOKENS, Prompt, WrongAnswer
from .servers import Bench, Server

SUMMARY = "CPU and rate of hits over HTTP, against nginx and Varnish caching POST"

_PROMPTS = 1000
_CONNECTIONS = 16
_SECONDS = 3


def measure(bench: Bench, options: Options) -> Report:
    rounds = options.rounds or 7
    prompts = [Prompt(f"hit {index}") for index in range(_PROMPTS)]
    report = Report(
        "hit",
        f"{_PROMPTS:,} warmed prompts of 1 KiB, answers of 2 KiB, {_CONNECTIONS} connections kept alive, "
        f"{rounds} rounds of {_SECONDS} s, one core for the server and one for the load",
    )
    with bench.apart() as apart:
        load, wrk = Load(apart.folder, core=LOAD), Wrk(apart.folder, prompts, core=LOAD)
        provider = apart.provider("--tokens", str(TOKENS), core=LOAD)
        rivals, missing = apart.rivals(
            lambda: apart.nginx(provider, core=SERVER), lambda: apart.varnish(provider, core=SERVER)
        )
        servers = [apart.sidecar(provider, core=SERVER), *rivals]
        for server in servers:
            load.ask(server.port, prompts, _CONNECTIONS)
        warm_calls = provider.calls
        micros: dict[str, list[float]] = defaultdict(list)
        rates: dict[str, list[float]] = defaultdict(list)
        for round in range(rounds):
            turn = round % len(servers)
            for server in servers[turn:] + servers[:turn]:
                cost, rate = _hits(server, wrk)
                micros[server.name].append(cost)
                rates[server.name].append(rate)
                load.ask(server.port, prompts[::50], _CONNECTIONS)
        if provider.calls != warm_calls:
            raise WrongAnswer(f"{provider.calls - warm_calls} warmed prompts went upstream: these were no hits")
    report.add("CPU per hit", micros["sidecar"], "us")
    for rival in rivals:
        goal = 1.0 if rival.name == "nginx" else None
        report.add(f"CPU per hit / {rival.name}", ratios(micros["sidecar"], micros[rival.name]), "x", at_most=goal)
    report.add("hits a second", rates["sidecar"])
    for rival in rivals:
        report.add(f"hits a second / {rival.name}", ratios(rates["sidecar"], rates[rival.name]), "x")
    report.notes += missing
    return report


def _hits(server: Server, wrk: Wrk) -> tuple[float, float]:
    """Microseconds of CPU for each, and how many a second."""
    before = server.process.cpu_seconds
    count, seconds = wrk.run(server.port, _CONNECTIONS, _SECONDS)
    return (server.process.cpu_seconds - before) / count * 1e6, count / seconds
