"""Keeps the committed corpora small."""

import pathlib
import shutil
import tempfile

from fuzzlib.running import Runner
from fuzzlib.targets import TARGETS, Target

# All of them together: they are cloned with every checkout, and replayed by every run of the tests.
ALL_BYTES_MAX = 400 << 10
TARGET_BYTES_MAX = ALL_BYTES_MAX // len(TARGETS)


def minimise(runner: Runner, targets: list[Target], binaries: dict[str, pathlib.Path]) -> int:
    for target in targets:
        with tempfile.TemporaryDirectory() as folder:
            merged = pathlib.Path(folder)
            runner.merge(target, binaries[target.name], merged)
            _replace(runner.committed(target), merged, target)
    return 0


def _replace(committed: pathlib.Path, merged: pathlib.Path, target: Target) -> None:
    """What was named by hand stays, as it says what it is for. Of the rest the smallest come first."""
    kept = [path for path in committed.iterdir() if not _is_found(path)]
    byte_count = sum(path.stat().st_size for path in kept)
    texts = {path.read_bytes() for path in kept}
    for path in committed.iterdir():
        if _is_found(path):
            path.unlink()
    left_out = 0
    for path in sorted(merged.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        if path.read_bytes() in texts:
            continue
        if byte_count + path.stat().st_size > TARGET_BYTES_MAX:
            left_out += 1
            continue
        byte_count += path.stat().st_size
        shutil.copy(path, committed / path.name)
    count = len(list(committed.iterdir()))
    print(f"{target.name}: {count} inputs, {byte_count} bytes; {left_out} left out for their size")


def _is_found(path: pathlib.Path) -> bool:
    """libFuzzer names what it finds by its SHA-1."""
    return len(path.name) == 40 and all(letter in "0123456789abcdef" for letter in path.name)
