"""Many callers who ask the same at once: how many calls go upstream, and how late the last caller is."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from .figures import Report
from .load import Load
from .options import Options
from .prompts import Prompt
from .servers import Bench, Server

SUMMARY = "500 identical callers at once: upstream calls and lateness, against Varnish and nginx"

_CALLERS = 500
TOKENS = 30


@dataclasses.dataclass(frozen=True)
class Kind:
    """In which form is asked, and how the provider behaves meanwhile."""

    name: str
    stream: bool
    settings: dict[str, object]


KINDS = (
    Kind("plain", False, {"json_ms": 2000, "first_token_ms": 0, "token_ms": 0}),
    Kind("streamed", True, {"json_ms": None, "first_token_ms": 500, "token_ms": 50}),
)


@dataclasses.dataclass
class Seen:
    """Of one server, round by round; times in ms, from a beginning that whoever measures says."""

    calls: list[float] = dataclasses.field(default_factory=list)
    last_answer: list[float] = dataclasses.field(default_factory=list)
    first_token: list[float] = dataclasses.field(default_factory=list)


def measure(bench: Bench, options: Options) -> Report:
    rounds = options.rounds or 5
    report = Report(
        "herd",
        f"{_CALLERS} identical callers at once; plain: an answer after 2 s; streamed: first token after 0.5 s, then "
        f"{TOKENS} x 50 ms; {rounds} rounds; lateness is against a lone direct call of the same round",
    )
    with bench.apart() as apart:
        load = Load(apart.folder)
        provider = apart.provider("--tokens", str(TOKENS))
        rivals, report.notes = apart.rivals(lambda: apart.varnish(provider), lambda: apart.nginx(provider))
        servers = [apart.sidecar(provider), *rivals]
        for kind in KINDS:
            provider.get_json("/control", kind.settings)
            seen: dict[str, Seen] = defaultdict(Seen)
            for round in range(rounds):
                turn = round % len(servers)
                direct = _ask_once(load, provider, Prompt(f"herd {kind.name} {round}", kind.stream, TOKENS))
                for server in servers[turn:] + servers[:turn]:
                    prompt = Prompt(f"herd {kind.name} {round} {server.name}", kind.stream, TOKENS)
                    _one_herd(load, provider, server, prompt, direct, seen[server.name])
            _report(report, kind, seen)
    return report


def _ask_once(load: Load, provider: Server, prompt: Prompt) -> tuple[float, float]:
    """Seconds to the first token and to the last byte."""
    exchange = load.ask(provider.port, [prompt])[0]
    return exchange.first_token_at(prompt) - exchange.sent_at, exchange.last_at - exchange.sent_at


def _one_herd(
    load: Load, provider: Server, server: Server, prompt: Prompt, direct: tuple[float, float], seen: Seen
) -> None:
    before = provider.calls
    exchanges = load.ask(server.port, [prompt] * _CALLERS, _CALLERS)
    seen.calls.append(provider.calls - before)
    began = min(exchange.sent_at for exchange in exchanges)
    first_token = max(exchange.first_token_at(prompt) for exchange in exchanges)
    last_answer = max(exchange.last_at for exchange in exchanges)
    seen.first_token.append((first_token - began - direct[0]) * 1e3)
    seen.last_answer.append((last_answer - began - direct[1]) * 1e3)


def _report(report: Report, kind: Kind, seen: dict[str, Seen]) -> None:
    for name, of in seen.items():
        ours = name == "sidecar"
        title = f"{kind.name}, {name}"
        report.add(f"{title}: upstream calls", of.calls, at_most=1 if ours else None)
        report.add(f"{title}: last answer, late by", of.last_answer, "ms", at_most=20 if ours else None)
        if kind.stream:
            report.add(
                f"{title}: slowest first token, late by", of.first_token, "ms", at_most=15 if ours else None
            )
