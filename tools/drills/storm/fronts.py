"""Whom the storm meets: the provider itself, the rivals, and the sidecar with one layer more each time."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Mapping

from benchlib.load import Missing
from benchlib.servers import Bench, Server

from . import provider as limits
from .load import FIXED_ANSWER

_LIMITS = {
    "requests_per_second": limits.CAPACITY_PER_SECOND,
    "burst": limits.CAPACITY_BURST,
    "concurrency_max": limits.CONCURRENT_MAX,
}
# The variable with the lighter model's key, which is of no use elsewhere.
LIGHTER_KEY = "STORM_LIGHTER_KEY"
_ON = {"admission": {"enabled": True}}
_OFF = {"admission": {"enabled": False}}


@dataclasses.dataclass(frozen=True)
class Ground:
    """What every front is started on."""

    bench: Bench
    provider: Server
    lighter: Server
    core: int | None


@dataclasses.dataclass(frozen=True)
class Front:
    """One that requests are sent to. `start` returns None where the provider is asked itself."""

    name: str
    title: str
    start: Callable[[Ground], Server | None]
    # Header lines that its requests carry.
    headers: tuple[str, ...] = ()
    # How its limits are known: a goal depends on it.
    limits: str = ""

    @property
    def is_ours(self) -> bool:
        return self.title.startswith("ours")


@dataclasses.dataclass(frozen=True)
class Layer:
    """What of the sidecar is on, as members of its configuration."""

    top: Mapping[str, object]
    upstream: Mapping[str, object] = dataclasses.field(default_factory=dict)
    route: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def configuration(self, ground: Ground, lighter: bool, **cache: str) -> dict[str, object]:
        """The whole file. `lighter`: the lighter model is an upstream too. `cache` goes into its section."""
        upstreams = [{"name": "stand-in", "url": f"http://127.0.0.1:{ground.provider.port}/v1", **self.upstream}]
        if lighter:
            # With a key of its own: callers' credentials are for the provider alone.
            upstreams.append(
                {"name": "lighter", "url": f"http://127.0.0.1:{ground.lighter.port}/v1", "api_key_env": LIGHTER_KEY}
            )
        route = {"name": "storm", "upstreams": ["stand-in"], **self.route}
        return {
            "listen": {"http": "127.0.0.1:0", "admin": "127.0.0.1:0", "binary": None},
            "cache": {"ttl": "1h", **cache},
            "upstreams": upstreams,
            "routes": [route],
            "limits": {"connections_max": 16384, "flights_max": 4096},
            "drain": {"accept_for": "0s", "grace": "1s"},
            "log": {"level": "error"},
            **self.top,
        }


_LADDER = {
    "stale_while_revalidate": "1h",
    "early_refresh": 1,
    "fallback": [{"upstream": "lighter", "model": "lighter"}],
    "fixed_answer": FIXED_ANSWER,
}
EVERYTHING = Layer(_ON, _LIMITS, _LADDER)
# All that a sidecar has which knows no admission yet.
CACHE_ALONE = Layer(_OFF)


def fronts() -> list[Front]:
    """In the order in which they are shown."""
    return [
        Front("direct", "direct", lambda ground: None),
        Front("nginx", "nginx", lambda ground: ground.bench.nginx(ground.provider, core=ground.core)),
        Front("varnish", "Varnish", lambda ground: ground.bench.varnish(ground.provider, core=ground.core)),
        Front("none", "ours: no cache", _sidecar(CACHE_ALONE), headers=("Cache-Control: no-store",)),
        Front("cache", "ours: cache + coalescing", _sidecar(CACHE_ALONE)),
        Front("pace", "ours: + queue and pace", _sidecar(Layer(_ON, _LIMITS)), limits="configured"),
        Front("learned", "ours: limits learned", _sidecar(Layer(_ON)), limits="learned"),
        Front("everything", "ours: everything", _sidecar(EVERYTHING), limits="configured"),
    ]


def sidecar(ground: Ground, layer: Layer, **cache: str) -> Server:
    """Starts a sidecar.

    Raises Missing where its configuration knows no such layer, with the words of `samovar config check`.
    """
    os.environ.setdefault(LIGHTER_KEY, "lighter")
    configuration = layer.configuration(ground, lighter="fallback" in layer.route, **cache)
    refusal = ground.bench.refusal(json.dumps(configuration, indent=1))
    if refusal and configuration.get("admission") == _OFF["admission"]:
        # A sidecar that knows no admission has none to turn off.
        del configuration["admission"]
        refusal = ground.bench.refusal(json.dumps(configuration, indent=1))
    if refusal:
        raise Missing(f"samovar config check says: {_shortened(refusal)}")
    return ground.bench.sidecar(configuration=json.dumps(configuration, indent=1), core=ground.core)


def best_sidecar(ground: Ground, note: Callable[[str], None], route: Mapping[str, object], **cache: str) -> Server:
    """Everything on, or as much of it as this sidecar has. What it lacks is noted."""
    try:
        return sidecar(ground, dataclasses.replace(EVERYTHING, route={**EVERYTHING.route, **route}), **cache)
    except Missing as reason:
        note(f"not everything is on, only cache and coalescing: {reason}")
        return sidecar(ground, dataclasses.replace(CACHE_ALONE, route=route), **cache)


def _shortened(refusal: str) -> str:
    """Without where in the file, and without all that is known instead."""
    findings = (re.sub(r"^line \d+: ", "", line).partition(";")[0] for line in refusal.splitlines())
    return "; ".join(findings)


def _sidecar(layer: Layer) -> Callable[[Ground], Server]:
    return lambda ground: sidecar(ground, layer)
