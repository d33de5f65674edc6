"""What is measured: tables of cases, and in each case the servers that are asked the same in turn, and the goals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .load import Sample
from .servers import Peers, Target

OURS = "sidecar"
_CONNECTIONS = 16


@dataclasses.dataclass(frozen=True)
class Goal:
    """How the sidecar should stand to a rival, or to the better of several."""

    rivals: tuple[str, ...]
    bound: float | None


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of a table: its servers by name, the first of which is the sidecar."""

    name: str
    servers: dict[str, Callable[[Peers], Target]]
    goals: list[Goal]
    connections: int = _CONNECTIONS
    in_flight: int = 1


@dataclasses.dataclass(frozen=True)
class Measure:
    """What of a sample is compared, and how: `ratio(ours, theirs)`."""

    name: str
    of: Callable[[Sample], float]
    ratio: Callable[[float, float], float]
    at_most: bool = False


RATE = Measure("ops/s, sidecar's over theirs", lambda sample: sample.rate, lambda ours, theirs: ours / theirs)
CPU = Measure(
    "CPU a request, theirs over sidecar's", lambda sample: sample.cpu_micros, lambda ours, theirs: theirs / ours
)
MEDIAN = Measure(
    "median latency, sidecar's over theirs", lambda sample: sample.p50_micros, lambda ours, theirs: ours / theirs,
    at_most=True,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Table:
    summary: str
    measure: Measure
    cases: list[Case]


def tables(ask: str) -> dict[str, Table]:
    """All tables by name. `ask` is what the binary port is asked with: digest or body."""
    return {
        "tcp": Table(
            "binary port over TCP, 1 in flight", RATE,
            [_values(label, size, ask, goals=_each(memcached=1.2, redis=1.15)) for label, size in _SMALL],
        ),
        "tcp16": Table(
            "binary port over TCP, 16 in flight (memcached: multi-get; Redis: pipeline)", RATE,
            [
                _values("100 B", 100, ask, in_flight=16, goals=_each(memcached=1.8, redis=1.8)),
                _values("2 KiB", 2048, ask, in_flight=16, goals=_each(memcached=1.5, redis=1.7)),
            ],
        ),
        "large": Table(
            "binary port over TCP, 16 KiB", RATE,
            [
                _values(f"{count} in flight", 16384, ask, in_flight=count, goals=[Goal(("memcached", "redis"), 1.05)])
                for count in (1, 16)
            ],
        ),
        "unix": Table(
            "binary port on a Unix socket, 1 in flight", RATE,
            [_unix(label, size, ask) for label, size in _SMALL],
        ),
        "unix16": Table(
            "binary port on a Unix socket, 16 in flight", RATE,
            [
                _values("100 B", 100, ask, unix=True, in_flight=16, goals=_each(memcached=2.5, redis=None)),
                _values("2 KiB", 2048, ask, unix=True, in_flight=16, goals=_each(memcached=1.5, redis=None)),
            ],
        ),
        "latency": Table(
            "binary port, 1 connection, 1 in flight, 2 KiB, spin_max 50us", MEDIAN,
            [_latency("TCP", ask, unix=False), _latency("Unix socket", ask, unix=True)],
        ),
        "http": Table(
            "HTTP POST with a prompt of 1 KiB, answer of 2 KiB (Varnish: GET)", CPU,
            [_http("nio"), _http("epoll")],
        ),
        "body": Table(
            "binary port over TCP asked with whole bodies of 1 KiB, values of 2 KiB", RATE,
            [
                _values(f"{count} in flight", 2048, "body", in_flight=count, goals=_each(memcached=None, redis=None))
                for count in (1, 16)
            ],
        ),
    }  # fmt: skip


_SMALL = [("100 B", 100), ("2 KiB", 2048)]


def _each(**bounds: float | None) -> list[Goal]:
    return [Goal((rival,), bound) for rival, bound in bounds.items()]


def _values(
    name: str, size: int, ask: str, goals: list[Goal], unix: bool = False, in_flight: int = 1
) -> Case:
    servers: dict[str, Callable[[Peers], Target]] = {
        OURS: lambda peers: peers.binary(size, ask, unix=unix),
        "memcached": lambda peers: peers.memcached(size, unix=unix),
        "redis": lambda peers: peers.redis_values(size, unix=unix),
    }
    return Case(name, servers, goals, in_flight=in_flight)


def _unix(name: str, size: int, ask: str) -> Case:
    case = _values(name, size, ask, unix=True, goals=_each(memcached=1.3, redis=1.4) + [Goal(("memcached, TCP",), 2.2)])
    case.servers["memcached, TCP"] = lambda peers: peers.memcached(size)
    return case


def _latency(name: str, ask: str, unix: bool) -> Case:
    servers: dict[str, Callable[[Peers], Target]] = {
        OURS: lambda peers: peers.binary(2048, ask, unix=unix, spin=True),
        "without spin": lambda peers: peers.binary(2048, ask, unix=unix),
        "memcached": lambda peers: peers.memcached(2048, unix=unix),
        "redis": lambda peers: peers.redis_values(2048, unix=unix),
    }
    goals = [Goal(("memcached",), 0.45), Goal(("redis",), None), Goal(("without spin",), None)]
    return Case(name, servers, goals, connections=1)


def _http(driver: str) -> Case:
    servers: dict[str, Callable[[Peers], Target]] = {
        OURS: lambda peers: peers.http(driver),
        "nginx": lambda peers: peers.nginx_post(),
        "varnish": lambda peers: peers.varnish_get(),
    }
    return Case(f"http_driver: {driver}", servers, _each(nginx=2.5, varnish=1.8))
