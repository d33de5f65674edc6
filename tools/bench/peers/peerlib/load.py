"""The load program: fills servers with values, and asks for them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess

from benchlib.load import pinned
from benchlib.process import Failed
from benchlib.prompts import WrongAnswer

KEYS = 10_000


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one server did in one round."""

    rate: float
    cpu_micros: float
    p50_micros: float
    p99_micros: float
    # Shares of a core.
    server_busy: float
    load_busy: float
    # Cores that were busy with neither of the two.
    others_busy: float
    # Share of requests that the sidecar wanted the body for, after all.
    asked_again: float


class PeerLoad:
    """`peer-load`, on a core of its own."""

    def __init__(self, program: pathlib.Path, core: int | None, admin_token: str) -> None:
        self._command = [*pinned(core), str(program)]
        self._environment = {**os.environ, "SAMOVAR_ADMIN_TOKEN": admin_token}

    def perform(self, verb: str, **options: str | float) -> dict:
        """Returns the line of JSON that it prints.

        Raises WrongAnswer where one answer was not the key's, Failed where the load could not go on.
        """
        command = [*self._command, verb, "--keys", str(KEYS)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment, timeout=600)
        if done.returncode:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
        outcome = json.loads(done.stdout)
        if outcome["errors"]:
            raise WrongAnswer(f"{' '.join(command)}: {outcome['errors']} errors, first {outcome['first_error']}")
        return outcome
