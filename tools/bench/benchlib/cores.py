"""Which core is whose: the server under test has one to itself, all else shares another."""

from __future__ import annotations

import os

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER: int | None = _ALLOWED[0] if len(_ALLOWED) > 1 else None
LOAD: int | None = _ALLOWED[1] if len(_ALLOWED) > 1 else None
