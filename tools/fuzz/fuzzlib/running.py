"""Runs libFuzzer, and reads what it says."""

import os
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass, field

from fuzzlib.build import ROOT
from fuzzlib.targets import Target

CORPORA = ROOT / "tools" / "fuzz" / "corpora"
DICTIONARIES = ROOT / "tools" / "fuzz" / "dictionaries"
# One input: no target needs a tenth of a second for it. And all of the process, with what AddressSanitizer holds back.
TIMEOUT_SECONDS = 10
RSS_LIMIT_MB = 2048


@dataclass
class Result:
    name: str
    exit_code: int
    runs: int = 0
    runs_per_second: int = 0
    edges: int = 0
    new_units: int = 0
    crashes: list[pathlib.Path] = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return self.exit_code != 0 or bool(self.crashes)


class Runner:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def found(self, target: Target) -> pathlib.Path:
        """Where new inputs are kept until they are minimised."""
        folder = self.folder / "found" / target.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def committed(self, target: Target) -> pathlib.Path:
        folder = CORPORA / target.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def run(self, target: Target, binary: pathlib.Path, seconds: int, runs: int | None, jobs: int) -> Result:
        artifacts = self.folder / "crashes" / target.name
        artifacts.mkdir(parents=True, exist_ok=True)
        before = set(artifacts.iterdir())
        length = f"-runs={runs}" if runs is not None else f"-max_total_time={seconds}"
        command = [
            *self._command(target, binary), length, f"-artifact_prefix={artifacts}/", "-print_final_stats=1",
            str(self.found(target)), str(self.committed(target)),
        ]  # fmt: skip
        if jobs > 1:
            command[1:1] = [f"-fork={jobs}"]
        log = self.folder / "crashes" / f"{target.name}.log"
        print(f"{target.name}: {length[1:]}, log in {log}", file=sys.stderr, flush=True)
        with log.open("w") as output:
            code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=self._environment).returncode
        result = self._read(target, code, log.read_text(errors="replace"))
        result.crashes = sorted(set(artifacts.iterdir()) - before)
        return result

    def replay(self, target: Target, binary: pathlib.Path, file: pathlib.Path) -> int:
        return subprocess.run([*self._command(target, binary), str(file)], env=self._environment).returncode

    def merge(self, target: Target, binary: pathlib.Path, into: pathlib.Path) -> None:
        """The fewest inputs that reach what all of them reach."""
        command = [
            *self._command(target, binary), "-set_cover_merge=1", str(into), str(self.committed(target)),
            str(self.found(target)),
        ]  # fmt: skip
        result = subprocess.run(command, env=self._environment, text=True, capture_output=True)
        if result.returncode != 0:
            sys.exit(f"{target.name}: merging failed:\n{result.stderr[-4_000:]}")

    @property
    def _environment(self) -> dict[str, str]:
        # The runtime's own backtracer would wait for a debugger's questions. And what is held by an enum's pointer with
        # a tag in its spare bits looks lost to LeakSanitizer; what really leaks meets the limit of memory.
        return {**os.environ, "SWIFT_BACKTRACE": "enable=no", "ASAN_OPTIONS": "detect_leaks=0"}

    def _command(self, target: Target, binary: pathlib.Path) -> list[str]:
        command = [
            str(binary), f"-max_len={target.byte_max}", f"-timeout={TIMEOUT_SECONDS}",
            f"-rss_limit_mb={RSS_LIMIT_MB}", "-detect_leaks=0",
        ]  # fmt: skip
        if target.dictionary:
            command.append(f"-dict={DICTIONARIES / target.dictionary}.dict")
        return command

    def _read(self, target: Target, code: int, log: str) -> Result:
        def last(pattern: str) -> int:
            return int((re.findall(pattern, log) or ["0"])[-1])

        return Result(
            target.name, code,
            runs=last(r"stat::number_of_executed_units: *(\d+)") or last(r"(?m)^#(\d+)"),
            runs_per_second=last(r"stat::average_exec_per_sec: *(\d+)") or last(r"exec/s: (\d+)"),
            edges=last(r"cov: (\d+)"), new_units=last(r"stat::new_units_added: *(\d+)"),
        )  # fmt: skip


def table(results: list[Result]) -> str:
    lines = [f"{'target':12}{'runs':>12}{'exec/s':>9}{'edges':>8}{'new':>7}{'crashes':>9}"]
    for one in results:
        crashes = str(len(one.crashes)) if one.crashes or not one.has_failed else f"exit {one.exit_code}"
        lines.append(
            f"{one.name:12}{one.runs:>12,}{one.runs_per_second:>9,}{one.edges:>8,}{one.new_units:>7,}{crashes:>9}"
        )
    return "\n".join(lines)
