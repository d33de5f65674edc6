"""Many callers who ask the same at once, at several sidecars that share one Redis."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchlib.figures import Report
from benchlib.herd import KINDS, TOKENS, Kind, Seen
from benchlib.load import Exchange, Load
from benchlib.prompts import Prompt
from benchlib.servers import Bench, Server

from .options import Options

SUMMARY = "identical callers at once at several pods: upstream calls, and how late the followers' answers are"


def run(bench: Bench, options: Options) -> Report:
    callers, pods = options.callers, options.pods
    report = Report(
        "herd",
        f"{callers} identical callers at once at each of {pods} pods on one Redis; plain: an answer after 2 s; "
        f"streamed: first token after 0.5 s, then {TOKENS} x 50 ms; {options.rounds} rounds",
    )
    load = Load(bench.folder)
    provider = bench.provider("--tokens", str(TOKENS))
    redis = bench.redis()
    settings = {"LIMITS__CONNECTIONS_MAX": "8192", "LIMITS__FLIGHT_FOLLOWERS_MAX": "10000"}
    sidecars = [bench.sidecar(provider, redis, **settings) for _ in range(pods)]
    rivals, report.notes = bench.rivals(lambda: bench.varnish(provider))
    verified = 0
    for kind in KINDS:
        provider.get_json("/control", kind.settings)
        fleet, remote, varnish = Seen(), Seen(), Seen()
        for round in range(options.rounds):
            print(f"{kind.name}, round {round + 1} of {options.rounds}", file=sys.stderr, flush=True)
            prompt = _prompt(kind, f"pods {round}")
            verified += _one_herd(load, provider, sidecars, prompt, callers, fleet, remote)
            for rival in rivals:
                verified += _one_rival(load, provider, rival, _prompt(kind, f"rival {round}"), callers * pods, varnish)
        _report(report, kind, fleet, remote, varnish, pods)
    report.note(f"{verified:,} answers verified")
    return report


def _prompt(kind: Kind, name: str) -> Prompt:
    return Prompt(f"{secrets.token_hex(4)} {kind.name} {name}", kind.stream, TOKENS)


def _one_herd(
    load: Load, provider: Server, sidecars: Sequence[Server], prompt: Prompt, callers: int, fleet: Seen, remote: Seen
) -> int:
    """All pods are asked at once. Returns how many answers were verified."""
    before = provider.calls
    led = [_misses(sidecar) for sidecar in sidecars]
    with ThreadPoolExecutor(len(sidecars)) as pool:
        asked = list(pool.map(lambda sidecar: load.ask(sidecar.port, [prompt] * callers, callers), sidecars))
    fleet.calls.append(provider.calls - before)
    # The pod that has called: the one with a miss more.
    leading = next((place for place, sidecar in enumerate(sidecars) if _misses(sidecar) > led[place]), 0)
    began = min(exchange.sent_at for pod in asked for exchange in pod)
    fleet.last_answer.append((max(map(_last, asked)) - began) * 1e3)
    fleet.first_token.append((max(_first(pod, prompt) for pod in asked) - began) * 1e3)
    others = [pod for place, pod in enumerate(asked) if place != leading]
    if others:
        remote.last_answer.append((max(map(_last, others)) - _last(asked[leading])) * 1e3)
        remote.first_token.append(
            (max(_first(pod, prompt) for pod in others) - _first(asked[leading], prompt)) * 1e3
        )
    return sum(map(len, asked))


def _one_rival(load: Load, provider: Server, rival: Server, prompt: Prompt, callers: int, seen: Seen) -> int:
    before = provider.calls
    exchanges = load.ask(rival.port, [prompt] * callers, callers)
    seen.calls.append(provider.calls - before)
    began = min(exchange.sent_at for exchange in exchanges)
    seen.last_answer.append((_last(exchanges) - began) * 1e3)
    seen.first_token.append((_first(exchanges, prompt) - began) * 1e3)
    return len(exchanges)


def _misses(sidecar: Server) -> int:
    return int(sidecar.get_json("/stats.json")["requests"]["miss"])


def _last(exchanges: Sequence[Exchange]) -> float:
    return max(exchange.last_at for exchange in exchanges)


def _first(exchanges: Sequence[Exchange], prompt: Prompt) -> float:
    return max(exchange.first_token_at(prompt) for exchange in exchanges)


def _report(report: Report, kind: Kind, fleet: Seen, remote: Seen, varnish: Seen, pods: int) -> None:
    report.add(f"{kind.name}: upstream calls of {pods} pods", fleet.calls, at_most=1)
    report.add(f"{kind.name}: last answer, after the herd came", fleet.last_answer, "ms")
    if remote.last_answer:
        report.add(f"{kind.name}: last answer of the following pods, after the leading pod's", remote.last_answer, "ms",
                   at_most=60)  # fmt: skip
    if varnish.calls:
        report.add(f"{kind.name}: last answer of one Varnish with as many callers", varnish.last_answer, "ms")
    if not kind.stream:
        return
    report.add(f"{kind.name}: slowest first token, after the herd came", fleet.first_token, "ms")
    if remote.first_token:
        report.add(f"{kind.name}: slowest first token of the following pods, after the leading pod's",
                   remote.first_token, "ms", at_most=60)  # fmt: skip
    if varnish.calls:
        report.add(f"{kind.name}: slowest first token of one Varnish with as many callers", varnish.first_token, "ms")
