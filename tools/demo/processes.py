"""The processes of the demonstration: each on a free loopback port, each ended by its own pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

START_SECONDS = 20
STOP_SECONDS = 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    def __init__(self, bin_folder: Path) -> None:
        self.bin = bin_folder
        self.folder = tempfile.TemporaryDirectory(prefix="samovar-run-")
        self.started: list[subprocess.Popen[bytes]] = []
        self.sidecar: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Processes:
        # Ended from outside, it still takes down what it started.
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        for process in reversed(self.started):
            self._stop(process)
        self.folder.cleanup()
        return kind is KeyboardInterrupt

    def _start(self, *arguments: str, name: str) -> subprocess.Popen[bytes]:
        log = open(Path(self.folder.name) / f"{name}.log", "ab")
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        log.close()
        self.started.append(process)
        return process

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()
        if process in self.started:
            self.started.remove(process)

    def _ready(self, process: subprocess.Popen[bytes], name: str) -> dict[str, str]:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            words = (Path(self.folder.name) / f"{name}.log").read_text(errors="replace")[-2000:]
            raise SystemExit(f"{name} did not start:\n{words}")
        return dict(json.loads(line))

    def start_redis(self) -> str:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = self._start("redis-server", *options, "--dir", self.folder.name, name="redis")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(16).startswith(b"+PONG"):
                        return f"redis://127.0.0.1:{port}/0"
            except OSError:
                time.sleep(0.02)
        raise SystemExit("redis-server did not start")

    def start_provider(self) -> str:
        flags = ["--first-token-ms", "300", "--token-ms", "30", "--json-ms", "400"]
        process = self._start(str(self.bin / "provider"), "--listen", "127.0.0.1:0", *flags, name="provider")
        return f"http://{self._ready(process, 'provider')['http']}/v1"

    def write_config(self, redis_url: str, upstream_url: str) -> Path:
        upstream = f"  - name: provider\n    url: {upstream_url}\n"
        if "SAMOVAR_UPSTREAM_API_KEY" in os.environ:
            upstream += "    api_key_env: SAMOVAR_UPSTREAM_API_KEY\n"
        path = Path(self.folder.name) / "samovar.yaml"
        path.write_text(
            "listen:\n  http: 127.0.0.1:0\n  binary: 127.0.0.1:0\n  admin: 127.0.0.1:0\n"
            f"redis:\n  url: {redis_url}\n"
            f"upstreams:\n{upstream}"
            "drain:\n  accept_for: 0s\n"
        )
        return path

    def start_sidecar(self, config: Path) -> dict[str, str]:
        self.sidecar = self._start(str(self.bin / "samovar"), "serve", "--config", str(config), name="samovar")
        return self._ready(self.sidecar, "samovar")

    def stop_sidecar(self) -> None:
        assert self.sidecar
        self._stop(self.sidecar)

    def wait(self) -> None:
        """Until Ctrl-C, or until the sidecar has ended by itself."""
        assert self.sidecar
        try:
            self.sidecar.wait()
        except KeyboardInterrupt:
            print("\nstopping")
