"""The programs under test: built for release, or found in a folder."""

from __future__ import annotations

import pathlib
import subprocess
import sys

from .load import Missing
from .options import Options
from .process import Failed

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_BUILD = ["swift", "build", "-c", "release", "--scratch-path", ".build-release"]


class Binaries:
    """Each program is built when it is first asked for."""

    def __init__(self, options: Options) -> None:
        self._folder = options.bin_dir
        self._stored_size = options.stored_size

    @property
    def samovar(self) -> pathlib.Path:
        return self._find("samovar")

    @property
    def provider(self) -> pathlib.Path:
        return self._find("provider")

    @property
    def key_speed(self) -> pathlib.Path:
        if self._folder and not (self._folder / "key-speed").exists():
            raise Missing(f"key-speed is not in {self._folder}")
        return self._find("key-speed")

    @property
    def stored_size(self) -> pathlib.Path:
        if self._stored_size:
            return self._stored_size.resolve()
        return self._find_if_there("stored-size")

    @property
    def l1_cost(self) -> pathlib.Path:
        return self._find_if_there("l1-cost")

    def _find_if_there(self, name: str) -> pathlib.Path:
        if self._folder and not (self._folder / name).exists():
            raise Missing(f"{name} is not in {self._folder}")
        return self._find(name)

    def _find(self, name: str) -> pathlib.Path:
        if self._folder:
            program = self._folder.resolve() / name
            if not program.exists():
                raise Failed(f"{name} is not in {self._folder}")
            return program
        print(f"building {name}", file=sys.stderr, flush=True)
        if subprocess.run([*_BUILD, "--product", name], cwd=_ROOT, stdout=sys.stderr).returncode:
            raise Failed(f"{name} does not build")
        shown = subprocess.run([*_BUILD, "--show-bin-path"], cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return pathlib.Path(shown.stdout.strip()) / name
