"""How small a recorded stream becomes when it is stored, against deflate at level 1."""

from __future__ import annotations

import base64
import json
import lzma
import os
import pathlib
import statistics
import struct
import subprocess
import zlib
from collections.abc import Iterator, Sequence

from .figures import Report, ratios
from .load import Missing
from .prompts import WrongAnswer

SUMMARY = "size of recorded provider streams once stored, against zlib level 1"

_TOKENS_MIN = 20


def measure(program: pathlib.Path) -> Report:
    streams = [stream for stream in _recorded_streams() if _event_count(stream) >= _TOKENS_MIN]
    if not streams:
        raise Missing(f"no recorded stream has {_TOKENS_MIN} events")
    setting = f"{len(streams)} recorded streams of {_TOKENS_MIN} events or more; the spread is over streams"
    report = Report("stored", setting)
    sizes = _stored_sizes(program, streams)
    refused = sum(size is None for size in sizes)
    if refused:
        report.note(f"{refused} streams are refused as malformed and left out")
    kept = [(stream, size) for stream, size in zip(streams, sizes, strict=True) if size is not None]
    raw = [len(stream) for stream, _ in kept]
    ours = ratios([size for _, size in kept], raw)
    deflated = ratios([len(zlib.compress(stream, 1)) for stream, _ in kept], raw)
    report.add("stored bytes / raw bytes", ours, "x", at_most=1 / 6, exact=True)
    report.add("zlib level 1 / raw bytes", deflated, "x")
    report.add("stored bytes / zlib level 1", ratios(ours, deflated), "x")
    within = sum(share <= 1 / 6 for share in ours)
    deciles = statistics.quantiles(ours, n=10)
    report.note(f"{within} of {len(ours)} are at most 1/6; nine of ten at most {deciles[8]:.3f}")
    report.note(f"all together {sum(size for _, size in kept) / sum(raw):.3f} of their bytes")
    worst, largest = max(zip(ours, (stream for stream, _ in kept), strict=True))
    report.note(f"the largest, {worst:.3f}, has events of {len(largest) // _event_count(largest)} bytes")
    return report


def _recorded_streams() -> Iterator[bytes]:
    named = os.environ.get("SAMOVAR_TEST_DATA")
    if not named:
        raise Missing("SAMOVAR_TEST_DATA names no folder with recorded streams")
    wire = pathlib.Path(named) / "wire"
    recorded = wire / "recorded-chat.jsonl.xz"
    if not recorded.exists():
        raise Missing(f"SAMOVAR_TEST_DATA: {recorded} is not there")
    with lzma.open(recorded, "rt", encoding="utf-8") as lines:
        for line in lines:
            exchange = json.loads(line)
            kind = next((v for k, v in exchange["resp_headers"].items() if k.lower() == "content-type"), "")
            if exchange["status"] == 200 and "text/event-stream" in str(kind):
                response = exchange["response"]
                yield base64.b64decode(response["base64"]) if isinstance(response, dict) else response.encode()
    for sample in sorted((wire / "samples").glob("*.sse")):
        yield sample.read_bytes()


def _event_count(stream: bytes) -> int:
    return sum(line.startswith(b"data:") for line in stream.splitlines())


def _stored_sizes(program: pathlib.Path, streams: Sequence[bytes]) -> list[int | None]:
    blobs = b"".join(struct.pack("<I", len(stream)) + stream for stream in streams)
    done = subprocess.run([program], input=blobs, stdout=subprocess.PIPE, timeout=300)
    if done.returncode:
        raise WrongAnswer(f"{program.name} ended with {done.returncode}")
    return [None if line == "refused" else int(line) for line in done.stdout.decode().split()]
