"""The sidecar and its rivals, each with one thread, worker or loop, all on one core."""

from __future__ import annotations

import dataclasses
import getpass
import json
import pathlib
import secrets
import socket
import time
from collections.abc import Callable

from benchlib.cores import LOAD, SERVER
from benchlib.process import Failed, Process, free_port
from benchlib.prompts import TOKENS, Prompt
from benchlib.servers import Bench, Server, filled, program_path

from .load import KEYS, PeerLoad

_ADMIN_TOKEN = secrets.token_hex(16)


@dataclasses.dataclass(frozen=True)
class Target:
    """A way to ask a server: where, and in which words."""

    process: Process
    options: dict[str, str | float]


class Peers(Bench):
    """Starts each server, and fills it, when it is first asked for."""

    def __init__(
        self, folder: pathlib.Path, samovar: pathlib.Path, provider: pathlib.Path, load: pathlib.Path
    ) -> None:
        super().__init__(folder, samovar, provider)
        self.load = PeerLoad(load, LOAD, _ADMIN_TOKEN)
        self._running: dict[str, Server] = {}
        self._filled: set[tuple[str, str, int]] = set()

    # Values of a size, by key.

    def memcached(self, size: int, unix: bool = False) -> Target:
        name = "memcached-unix" if unix else "memcached"
        server = self._once(name, lambda: self._start_memcached(unix))
        return self._with_values(name, server, "memcached", server.admin, size)

    def redis_values(self, size: int, unix: bool = False) -> Target:
        server = self._once("redis", self._start_redis)
        address = server.admin if unix else str(server.port)
        return self._with_values("redis", server, "redis", address, size)

    def binary(self, size: int, ask: str, unix: bool = False, spin: bool = False) -> Target:
        """The sidecar's binary port, asked with digests or with bodies."""
        server = self._sidecar(unix=unix, spin=spin)
        self._fill(f"sidecar {unix} {spin}", "samovar", server.admin, size)
        peer = "samovar" if ask == "digest" else "samovar-body"
        return Target(server.process, {"peer": peer, "address": server.admin, "size": size})

    # Answers of the provider to prompts of 1 KiB, over HTTP.

    def http(self, driver: str) -> Target:
        return self._warmed(f"http {driver}", self._sidecar(driver=driver))

    def nginx_post(self) -> Target:
        return self._warmed("nginx", self._once("nginx", lambda: self.nginx(self._upstream, core=SERVER)))

    def varnish_get(self) -> Target:
        server = self._once("varnish", self._start_varnish)
        target = self._warmed("varnish", server, path="/v1/chat/completions?key={}")
        return dataclasses.replace(target, options=target.options | {"method": "GET"})

    @property
    def upstream_calls(self) -> int:
        return self._upstream.calls

    # Starting and filling.

    def _with_values(self, name: str, server: Server, peer: str, address: str, size: int) -> Target:
        self._fill(name, peer, address, size)
        return Target(server.process, {"peer": peer, "address": address, "size": size})

    def _fill(self, name: str, peer: str, address: str, size: int) -> None:
        if (name, peer, size) in self._filled:
            return
        self._filled.add((name, peer, size))
        self.load.perform("fill", peer=peer, address=address, size=size, connections=4, in_flight=4)

    def _warmed(self, name: str, server: Server, path: str = "/v1/chat/completions") -> Target:
        options: dict[str, str | float] = {
            "peer": "http", "address": str(server.port), "requests": str(self._requests), "path": path
        }  # fmt: skip
        if (name, "http", 0) not in self._filled:
            self._filled.add((name, "http", 0))
            self.load.perform("once", **options)
        return Target(server.process, options)

    @property
    def _requests(self) -> pathlib.Path:
        """A line for each prompt: its body, and what no other prompt's answer contains."""
        file = self.folder / "requests"
        if not file.exists():
            prompts = (Prompt(f"peers {index}") for index in range(KEYS))
            file.write_bytes(b"".join(prompt.body + f"\t{prompt.digest}\n".encode() for prompt in prompts))
        return file

    @property
    def _upstream(self) -> Server:
        return self._once("provider", lambda: self.provider("--tokens", str(TOKENS), core=LOAD))

    def _once(self, name: str, start: Callable[[], Server]) -> Server:
        if name not in self._running:
            self._running[name] = start()
        return self._running[name]

    def _sidecar(self, unix: bool = False, spin: bool = False, driver: str = "nio") -> Server:
        return self._once(f"sidecar {unix} {spin} {driver}", lambda: self._start_sidecar(unix, spin, driver))

    def _start_sidecar(self, unix: bool, spin: bool, driver: str) -> Server:
        folder = self._own_folder("sidecar")
        config = folder / "samovar.yaml"
        config.write_text(
            filled(
                "sidecar.yaml", upstream_port=str(self._upstream.port), http_driver=driver,
                binary=f"unix:{folder}/socket" if unix else "127.0.0.1:0", spin_max="50us" if spin else "0us",
            )
        )  # fmt: skip
        command = [self._samovar, "serve", "--config", config]
        process = self._start(command, folder, SERVER, {"SAMOVAR_ADMIN_TOKEN": _ADMIN_TOKEN})
        ready = json.loads(process.first_line())
        return Server("sidecar", int(ready["http"].rpartition(":")[2]), process, admin=ready["binary"])

    def _start_memcached(self, unix: bool) -> Server:
        folder, port = self._own_folder("memcached"), free_port()
        listen = f"-s {folder}/socket" if unix else f"-l 127.0.0.1\n-p {port}"
        lines = filled("memcached.conf", listen=listen, user=getpass.getuser()).splitlines()
        words = [word for line in lines if not line.startswith("#") for word in line.split()]
        process = self._start([program_path("memcached", "memcached"), *words], folder, SERVER)
        address = f"unix:{folder}/socket" if unix else str(port)
        _wait(process, address)
        return Server("memcached", port, process, admin=address)

    def _start_redis(self) -> Server:
        folder, port = self._own_folder("redis"), free_port()
        config = folder / "redis.conf"
        config.write_text(filled("redis.conf", port=str(port), folder=str(folder)))
        process = self._start([program_path("redis-server", "redis-server"), config], folder, SERVER)
        process.wait_for(port)
        return Server("redis", port, process, admin=f"unix:{folder}/socket")

    def _start_varnish(self) -> Server:
        folder, port = self._own_folder("varnish"), free_port()
        config = folder / "varnish.vcl"
        config.write_text(filled("varnish-get.vcl", upstream_port=str(self._upstream.port)))
        command = [program_path("varnishd", "varnish"), "-F", "-j", "none", "-n", str(folder / "varnish")]
        command += ["-a", f"127.0.0.1:{port}", "-f", str(config), "-s", "malloc,1G"]
        # A connection has a thread while it is served: one pool, with enough for all of them.
        command += ["-p", "thread_pools=1", "-p", "thread_pool_min=20", "-p", "thread_pool_max=200"]
        return self._listening("varnish", command, folder, port, SERVER)


def _wait(process: Process, address: str, seconds_max: float = 30) -> None:
    """Until something listens on a port or a Unix socket."""
    if not address.startswith("unix:"):
        process.wait_for(int(address), seconds_max)
        return
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(address.removeprefix("unix:"))
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Failed(f"nobody listens on {address}") from None
            time.sleep(0.02)
