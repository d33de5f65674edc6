# SPDX-License-Identifier: Apache-2.0
"""Reads the protocol's test vectors (Protocol.md §15)."""

import json
import os
import pathlib
import unittest
from typing import Any, Dict, List, Tuple

FOLDER = pathlib.Path(
    os.environ.get("SAMOVAR_VECTORS") or pathlib.Path(__file__).resolve().parents[3] / "Tests/WireTests/Vectors"
)

needed = unittest.skipUnless(FOLDER.is_dir(), f"no vectors: SAMOVAR_VECTORS names their folder, and {FOLDER} is none")


def sections(name: str) -> Dict[str, Dict[str, Any]]:
    """Each vector by its name; `hex` as bytes, all else as its JSON says."""
    found: Dict[str, Dict[str, Any]] = {}
    key = ""
    for line in (FOLDER / name).read_text("utf-8").split("\n"):
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("["):
            vector: Dict[str, Any] = {}
            found[line[1 : line.rindex("]")]] = vector
        elif line.startswith(" "):
            vector[key] += line
        else:
            key, _, value = line.partition(" = ")
            vector[key] = value
    return {
        name: {key: bytes.fromhex(value) if key == "hex" else json.loads(value) for key, value in vector.items()}
        for name, vector in found.items()
    }


def session() -> List[Tuple[str, str, bytes]]:
    """The session of §14: who sends, what it is called, the bytes."""
    parts: List[Tuple[str, str, bytes]] = []
    for line in (FOLDER / "session.hex").read_text("utf-8").split("\n"):
        if line.startswith("#"):
            who, _, what = line[1:].strip().partition(": ")
            parts.append((who, what, b""))
        elif line.strip():
            who, what, data = parts[-1]
            parts[-1] = (who, what, data + bytes.fromhex(line.partition(";")[0].strip()))
    return parts
