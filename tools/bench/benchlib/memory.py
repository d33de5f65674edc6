"""What the cache's own memory weighs, against the bytes that it keeps."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator

from .figures import Report
from .load import Load, Missing
from .options import Options
from .prompts import TOKENS, Prompt, WrongAnswer
from .servers import Bench, Server

SUMMARY = "growth of the process over the bytes of the answers it keeps, against Varnish"

_BATCH = 5000
_CONNECTIONS = 32
_WARM_UP = 5000


@dataclasses.dataclass(frozen=True)
class Growth:
    """From the warmed-up process to the full one, in bytes."""

    resident: int
    proportional: int
    stored: int


def measure(bench: Bench, options: Options) -> Report:
    rounds = options.rounds or 5
    report = Report(
        "memory",
        f"{options.entries:,} entries with answers of 2 KiB; {rounds} rounds, each with a process of its own; "
        "stored bytes are the bodies of the answers",
    )
    resident: dict[str, list[float]] = defaultdict(list)
    proportional: dict[str, list[float]] = defaultdict(list)
    counted: list[float] = []
    for round in range(rounds):
        with bench.apart() as apart:
            load, provider = Load(apart.folder), apart.provider("--tokens", str(TOKENS))
            sidecar = apart.sidecar(provider, CACHE__L1_SIZE_MAX="4GiB")
            growth = _grow(load, provider, sidecar, round, options.entries)
            _add(sidecar, growth, resident, proportional)
            l1 = sidecar.get_json("/stats.json")["l1"]
            if l1["entries"] != options.entries or l1["evictions"]:
                raise WrongAnswer(f"the sidecar keeps {l1}, not {options.entries} entries")
            counted.append(l1["size_bytes"] / growth.resident)
        with bench.apart() as apart:
            try:
                load, provider = Load(apart.folder), apart.provider("--tokens", str(TOKENS))
                varnish = apart.varnish(provider)
                _add(varnish, _grow(load, provider, varnish, round, options.entries), resident, proportional)
            except Missing as reason:
                report.notes = [str(reason)]
    for name, rows in resident.items():
        goal = 1.3 if name == "sidecar" else None
        report.add(f"{name}: RSS growth / stored bytes", rows, "x", at_most=goal)
        report.add(f"{name}: PSS growth / stored bytes", proportional[name], "x", at_most=goal)
    report.add("what the sidecar counts as used / its RSS growth", counted, "x")
    return report


def _add(
    server: Server, growth: Growth, resident: dict[str, list[float]], proportional: dict[str, list[float]]
) -> None:
    resident[server.name].append(growth.resident / growth.stored)
    proportional[server.name].append(growth.proportional / growth.stored)


def _grow(load: Load, provider: Server, server: Server, round: int, entries: int) -> Growth:
    # The sidecar stores nothing of these; what Varnish stores of them is there before and after.
    warm_up = [Prompt(f"memory warm-up {round} {index}") for index in range(_WARM_UP)]
    load.ask(server.port, warm_up, _CONNECTIONS, headers=["Cache-Control: no-store"])
    resident, proportional = server.process.resident_bytes, server.process.proportional_bytes
    stored = 0
    for batch in _batches(f"memory {round} {server.name}", entries):
        exchanges = load.ask(server.port, batch, _CONNECTIONS)
        stored += sum(len(exchange.answer.partition(b"\r\n\r\n")[2]) for exchange in exchanges)
    growth = Growth(
        server.process.resident_bytes - resident, server.process.proportional_bytes - proportional, stored
    )
    _check_kept(load, provider, server, round, entries)
    return growth


def _check_kept(load: Load, provider: Server, server: Server, round: int, entries: int) -> None:
    calls = provider.calls
    for batch in _batches(f"memory {round} {server.name}", entries):
        load.ask(server.port, batch[::10], _CONNECTIONS)
    if provider.calls != calls:
        raise WrongAnswer(f"{server.name} did not keep {provider.calls - calls} of {entries // 10} entries")


def _batches(name: str, count: int) -> Iterator[list[Prompt]]:
    for start in range(0, count, _BATCH):
        yield [Prompt(f"{name} {index}") for index in range(start, min(start + _BATCH, count))]
