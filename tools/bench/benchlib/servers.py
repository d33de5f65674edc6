"""The provider, the sidecar and its rivals, each on free ports of the loopback address."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import json
import os
import pathlib
import shutil
import string
import subprocess
import urllib.request
from collections.abc import Callable, Iterator

from .load import Missing
from .process import Process, free_port

_PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers"


@dataclasses.dataclass(frozen=True)
class Server:
    """Something that answers on a port."""

    name: str
    port: int
    process: Process
    admin: str = ""

    def get_json(self, path: str, body: dict[str, object] | None = None) -> dict:
        """Asks the server itself: the provider's /counts and /control, the sidecar's /stats.json."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://{self.admin}{path}", data, timeout=30) as reply:
            return json.load(reply)

    @property
    def calls(self) -> int:
        """Of a provider: the calls it has had."""
        return int(self.get_json("/counts")["calls"])


class Bench:
    """Starts servers, each in its own folder. All of them are ended and removed when the `with` block is left."""

    def __init__(self, folder: pathlib.Path, samovar: pathlib.Path, provider: pathlib.Path) -> None:
        self.folder = folder
        self._samovar = samovar
        self._provider = provider
        self._stack = contextlib.ExitStack()
        self._count = 0

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def apart(self) -> Iterator[Bench]:
        """A bench whose servers live for a part of the benchmark only."""
        with Bench(self._own_folder("apart"), self._samovar, self._provider) as bench:
            yield bench

    def provider(self, *flags: str, core: int | None = None) -> Server:
        """The stand-in provider, which answers at once unless told otherwise."""
        folder = self._own_folder("provider")
        process = self._start([self._provider, "--listen", "127.0.0.1:0", *flags], folder, core)
        address = json.loads(process.first_line())["http"]
        return Server("provider", _port(address), process, admin=address)

    def sidecar(
        self, upstream: Server | None = None, redis: Server | None = None, core: int | None = None,
        configuration: str | None = None, **settings: str,
    ) -> Server:  # fmt: skip
        """The sidecar. Settings are those of its environment: `CACHE__L1_SIZE_MAX="1GiB"`.

        It is configured as it is measured against `upstream`, or by a whole `configuration`.
        """
        assert upstream or configuration
        folder = self._own_folder("sidecar")
        settings |= {"REDIS__URL": f"redis://127.0.0.1:{redis.port}/0"} if redis else {}
        config = folder / "samovar.yaml"
        config.write_text(configuration or filled("samovar.yaml", upstream_port=str(upstream.port if upstream else 0)))
        process = self._start(
            [self._samovar, "serve", "--config", config], folder, core,
            {f"SAMOVAR__{name}": value for name, value in settings.items()},
        )  # fmt: skip
        ready = json.loads(process.first_line())
        return Server("sidecar", _port(ready["http"]), process, admin=ready["admin"])

    def refusal(self, configuration: str) -> str:
        """What `samovar config check` has against a configuration, a finding a line; nothing, when it takes it."""
        folder = self._own_folder("check")
        config = folder / "samovar.yaml"
        config.write_text(configuration)
        done = subprocess.run([self._samovar, "config", "check", "--config", config], capture_output=True, text=True)
        words = (done.stderr or done.stdout).removeprefix("Error: ").replace(f"{config}:", "line ").strip()
        return words if done.returncode else ""

    def redis(self, core: int | None = None) -> Server:
        folder, port = self._own_folder("redis"), free_port()
        command = [program_path("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        return self._listening("redis", command, folder, port, core)

    def nginx(self, upstream: Server, core: int | None = None) -> Server:
        folder, port = self._own_folder("nginx"), free_port()
        config = folder / "nginx.conf"
        names = {"folder": str(folder), "user": getpass.getuser(), "port": str(port)}
        config.write_text(filled("nginx.conf", upstream_port=str(upstream.port), **names))
        command = [program_path("nginx", "nginx-light"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
        return self._listening("nginx", command, folder, port, core)

    def varnish(self, upstream: Server, core: int | None = None) -> Server:
        folder, port = self._own_folder("varnish"), free_port()
        config = folder / "varnish.vcl"
        config.write_text(filled("varnish.vcl", upstream_port=str(upstream.port)))
        if not any(pathlib.Path("/usr/lib").glob("**/vmods/libvmod_bodyaccess.so")):
            raise Missing("Varnish cannot put a body into its key here: apt-get install varnish-modules")
        command = [program_path("varnishd", "varnish"), "-F", "-j", "none", "-n", str(folder / "varnish")]
        command += ["-a", f"127.0.0.1:{port}", "-f", str(config), "-s", "malloc,2G"]
        command += ["-p", "thread_pools=1", "-p", "thread_pool_min=100", "-p", "thread_pool_max=2000"]
        return self._listening("varnish", command, folder, port, core)

    def rivals(self, *starts: Callable[[], Server]) -> tuple[list[Server], list[str]]:
        """Those that are to be had on this machine, and a line for each that is not."""
        servers, missing = [], []
        for start in starts:
            try:
                servers.append(start())
            except Missing as reason:
                missing.append(str(reason))
        return servers, missing

    def _listening(self, name: str, command: list[str], folder: pathlib.Path, port: int, core: int | None) -> Server:
        process = self._start(command, folder, core)
        process.wait_for(port)
        return Server(name, port, process)

    def _start(self, command: list, folder: pathlib.Path, core: int | None, environment: dict | None = None) -> Process:
        return self._stack.enter_context(Process(command, folder / "log", core, environment))

    def _own_folder(self, name: str) -> pathlib.Path:
        self._count += 1
        folder = self.folder / f"{name}-{self._count}"
        folder.mkdir()
        return folder


def filled(template: str, **names: str) -> str:
    return _AtTemplate((_PEERS / template).read_text()).substitute(names)


class _AtTemplate(string.Template):
    """Names are @{so}: nginx and VCL have other uses for dollars."""

    delimiter = "@"


def program_path(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '/usr/bin')}:/usr/sbin:/usr/local/sbin")
    if not found:
        raise Missing(f"{name} is not here: apt-get install {package}")
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
