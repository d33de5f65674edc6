"""Recorded provider streams, and the program that stores and renders them."""

from __future__ import annotations

import base64
import json
import lzma
import os
import pathlib
import struct
import subprocess
from collections.abc import Iterator, Sequence

from .load import Missing
from .prompts import WrongAnswer


def recorded() -> Iterator[bytes]:
    """Each stream as it came, from the folder that SAMOVAR_TEST_DATA names."""
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


def event_count(stream: bytes) -> int:
    return sum(line.startswith(b"data:") for line in stream.splitlines())


def ask(program: pathlib.Path, streams: Sequence[bytes], *arguments: str) -> list[str]:
    """The lines that the program prints about these streams."""
    blobs = b"".join(struct.pack("<I", len(stream)) + stream for stream in streams)
    done = subprocess.run([program, *arguments], input=blobs, stdout=subprocess.PIPE, timeout=300)
    if done.returncode:
        raise WrongAnswer(f"{program.name} ended with {done.returncode}")
    return done.stdout.decode().splitlines()
