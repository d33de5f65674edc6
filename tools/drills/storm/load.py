"""The open-loop client: `load.c` with `judge.h`, and what it saw."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
import shutil
import struct
import subprocess
from collections.abc import Sequence

from benchlib.load import Missing, pinned
from benchlib.process import Failed

from .plan import Arrival, Plan

# What is answered in place of an answer when nothing else is left. Only one who says exactly this has said it.
FIXED_ANSWER = "We are very busy at the moment. Please ask again in a minute."
GIVE_UP_SECONDS = 10.0

_RECORD = struct.Struct("<QQQQHHBB14s20s22s2x")


class Ending(enum.IntEnum):
    """How a request ended."""

    WHOLE = 1
    GAVE_UP = 2
    CUT = 3
    NO_CONNECTION = 4


class Verdict(enum.IntEnum):
    """What an answer under status 200 was, judged by its text, byte by byte."""

    NONE = 0
    PRIMARY = 1
    LIGHTER = 2
    FIXED = 3
    CUT = 4
    WRONG = 5


# How an answer says that it is not the primary's, in X-Cache or X-Samovar-Step.
_DEGRADED_LABEL, _DEGRADED_STEPS = "FALLBACK", ("fallback", "fixed_answer")


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one arrival. Instants are seconds after the beginning, 0 for what never was."""

    arrival: Arrival
    sent: float
    first: float
    ended: float
    status: int
    retry_after: int
    ending: Ending
    verdict: Verdict
    # Of X-Cache, of the error in the body, and of X-Samovar-Step.
    label: str
    code: str
    step: str

    @property
    def seconds(self) -> float:
        """From the planned instant: who was sent late has waited since then."""
        return self.ended - self.arrival.due

    @property
    def late(self) -> float:
        return self.sent - self.arrival.due

    @property
    def kind(self) -> str:
        """In one word: success, lighter, fixed, wrong, or why there was no answer."""
        if self.ending is Ending.GAVE_UP:
            return "timeout"
        if self.ending is Ending.NO_CONNECTION:
            return "no connection"
        if self.ending is Ending.CUT or self.verdict is Verdict.CUT:
            return "cut"
        if self.status != 200:
            return str(self.status)
        degraded = self.label == _DEGRADED_LABEL or self.step in _DEGRADED_STEPS
        if self.verdict is Verdict.PRIMARY and not degraded:
            return "success"
        # A lighter answer under any other label has been taken for the primary's.
        if self.verdict is Verdict.LIGHTER and degraded:
            return "lighter"
        return "fixed" if self.verdict is Verdict.FIXED else "wrong"


class OpenLoop:
    """Compiled when a drill begins."""

    def __init__(self, folder: pathlib.Path, core: int | None) -> None:
        self._program = folder / "storm-load"
        self._pin = pinned(core)
        compiler = shutil.which("cc")
        if not compiler:
            raise Missing("cc is not here: apt-get install gcc")
        source = pathlib.Path(__file__).resolve().parent / "load.c"
        subprocess.run([compiler, "-O2", "-o", self._program, source], check=True)

    def run(
        self, port: int, plan: bytes, arrivals: Sequence[Arrival], start: float, give_up: float = GIVE_UP_SECONDS
    ) -> list[Outcome]:
        """Carries the plan out, from the instant `start` of the monotonic clock on.

        Who is not answered `give_up` seconds after its planned instant hangs up.
        """
        command = [*self._pin, str(self._program), str(port), str(round(start * 1e9)), str(round(give_up * 1e3))]
        longest = arrivals[-1].due + give_up + 60
        done = subprocess.run(command, input=plan, stdout=subprocess.PIPE, timeout=longest)
        if done.returncode:
            raise Failed("the load could not go on")
        records = _RECORD.iter_unpack(done.stdout)
        return [_outcome(arrival, *record) for arrival, record in zip(arrivals, records, strict=True)]


def spelled(plan: Plan) -> bytes:
    """The plan as the client reads it."""
    questions = {question: place for place, question in enumerate(dict.fromkeys(a.question for a in plan.arrivals))}
    pieces = [_blob(FIXED_ANSWER.encode()), struct.pack("<I", len(questions))]
    for question in questions:
        pieces += [_blob(question.request), _blob(question.primary), _blob(question.lighter)]
    pieces.append(struct.pack("<I", len(plan.arrivals)))
    pieces += [struct.pack("<QI", round(one.due * 1e9), questions[one.question]) for one in plan.arrivals]
    return b"".join(pieces)


def _blob(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _outcome(
    arrival: Arrival, due: int, sent: int, first: int, ended: int, status: int, retry_after: int, ending: int,
    verdict: int, label: bytes, code: bytes, step: bytes,
) -> Outcome:  # fmt: skip
    return Outcome(
        arrival, sent / 1e9, first / 1e9, ended / 1e9, status, retry_after, Ending(ending), Verdict(verdict),
        _text(label).upper(), _text(code), _text(step),
    )  # fmt: skip


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1")
