"""What is asked and when: a function of the seed, so that every front meets the same storm."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gzip
import hashlib
import itertools
import json
import lzma
import math
import os
import pathlib
import random
from collections.abc import Iterator, Sequence

from benchlib.load import Missing

from .provider import LIGHTER_TOKENS, TOKENS

# Longer prompts are no part of the key of every rival (nginx keeps a key in one header buffer).
_PROMPT_BYTES_MAX = 4_096


@dataclasses.dataclass(frozen=True)
class Question:
    """One prompt, and what has to be answered to it: the stand-in's answers are a function of the messages."""

    text: str
    stream: bool = False
    headers: tuple[str, ...] = ()

    @functools.cached_property
    def request(self) -> bytes:
        """The whole HTTP request."""
        body: dict[str, object] = {"model": "stand-in", "messages": [{"role": "user", "content": self.text}]}
        if self.stream:
            body["stream"] = True
        data = json.dumps(body).encode()
        lines = [
            "POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json", *self.headers,
            f"Content-Length: {len(data)}", "", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode() + data

    @property
    def primary(self) -> bytes:
        """What the provider says."""
        return self._answer(TOKENS)

    @property
    def lighter(self) -> bytes:
        """What the lighter model says."""
        return self._answer(LIGHTER_TOKENS)

    def _answer(self, tokens: int) -> bytes:
        digest = hashlib.sha256(f"user\n{self.text}\n".encode()).hexdigest()[:12]
        return ("".join(f"{digest}.{index} " for index in range(tokens - 1)) + f"{digest}.end").encode()


@dataclasses.dataclass(frozen=True)
class Arrival:
    """A request at its planned instant, in seconds after the beginning."""

    due: float
    question: Question
    # Who asks, or what for: how figures are told apart.
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Arrivals in the order of their instants."""

    arrivals: Sequence[Arrival]

    @property
    def seconds(self) -> float:
        return self.arrivals[-1].due if self.arrivals else 0

    def with_headers(self, *headers: str) -> Plan:
        """The same, each request with more headers."""
        changed: dict[Question, Question] = {}
        for arrival in self.arrivals:
            question = arrival.question
            if question not in changed:
                changed[question] = dataclasses.replace(question, headers=(*question.headers, *headers))
        return Plan([dataclasses.replace(one, question=changed[one.question]) for one in self.arrivals])

    @staticmethod
    def merged(*plans: Plan) -> Plan:
        return Plan(sorted(itertools.chain(*(plan.arrivals for plan in plans)), key=lambda arrival: arrival.due))


def instants(rate_from: float, rate_to: float, seconds: float, draw: random.Random, after: float = 0) -> list[float]:
    """Arrivals of a rate that rises in a straight line: as many as its integral, each drawn from within its place."""
    slope = (rate_to - rate_from) / seconds
    count = round((rate_from + rate_to) / 2 * seconds)
    found = []
    for index in range(count):
        # The instant at which `place` have come: rate_from t + slope t^2 / 2 = place.
        place = index + draw.random()
        root = math.sqrt(rate_from * rate_from + 2 * slope * place)
        found.append(after + min(seconds, 2 * place / (rate_from + root)))
    return found


def zipf(questions: Sequence[Question], count: int, draw: random.Random) -> list[Question]:
    """Drawn so that the one of rank r is 1/r as frequent as the first: zipf(1.0)."""
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(questions) + 1)))
    return draw.choices(questions, cum_weights=weights, k=count)


@dataclasses.dataclass
class Library:
    """Real prompts, in an order of the seed. Each is handed out once, and beyond their number as variants."""

    texts: Sequence[str]
    _taken: Iterator[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._taken = self._variants()

    def take(self, count: int, stream: bool = False, headers: tuple[str, ...] = ()) -> list[Question]:
        return [Question(text, stream, headers) for text in itertools.islice(self._taken, count)]

    def _variants(self) -> Iterator[str]:
        yield from self.texts
        for number in itertools.count(2):
            yield from (f"{text}\n\n(Variant {number}.)" for text in self.texts)


def library(seed: int) -> Library:
    """The prompts of the folder that SAMOVAR_TEST_DATA names."""
    folder = os.environ.get("SAMOVAR_TEST_DATA")
    if not folder:
        raise Missing("SAMOVAR_TEST_DATA does not name the folder with prompts/")
    prompts = pathlib.Path(folder) / "prompts"
    if not prompts.is_dir():
        raise Missing(f"{folder} has no folder prompts")
    texts = sorted({text for text in _texts(prompts) if 0 < len(text.encode()) <= _PROMPT_BYTES_MAX})
    random.Random(seed).shuffle(texts)
    return Library(texts)


def _texts(folder: pathlib.Path) -> Iterator[str]:
    yield from (line["prompt"] for line in _lines(gzip.open, folder / "HumanEval.jsonl.gz"))
    yield from (line["question"] for line in _lines(lzma.open, folder / "gsm8k-test.jsonl.xz"))
    for line in _lines(open, folder / "mt_bench-question.jsonl"):
        yield from line["turns"]
    for line in _lines(lzma.open, folder / "self-instruct-seed_tasks.jsonl.xz"):
        yield from (f"{line['instruction']}\n{instance['input']}" for instance in line["instances"])
    csv.field_size_limit(16 << 20)
    with lzma.open(folder / "awesome-chatgpt-prompts.csv.xz", "rt", encoding="utf-8", newline="") as file:
        yield from (row["prompt"] for row in csv.DictReader(file))


def _lines(opened, path: pathlib.Path) -> Iterator[dict]:
    with opened(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)
