"""What is asked, and what has to be answered: the provider's answers are a function of the messages."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import secrets

# Tokens of every answer; with about 17 bytes each, a body of a good 2 KiB.
TOKENS = 120
PROMPT_BYTES = 1024
_RUN = secrets.token_hex(4)
_FILLER = "Which of the two would you rather meet at three in the morning, and why? " * 14


class WrongAnswer(Exception):
    """Something was answered that the provider would not have said."""


@dataclasses.dataclass(frozen=True)
class Prompt:
    """One question of about 1 KiB. Prompts of other names, or of other runs, are other prompts."""

    name: str
    stream: bool = False
    tokens: int = TOKENS

    @functools.cached_property
    def text(self) -> str:
        return f"{_RUN} {self.name}: {_FILLER}"[: PROMPT_BYTES - 120]

    @functools.cached_property
    def body(self) -> bytes:
        """The request's JSON."""
        message = {"role": "user", "content": self.text}
        body: dict[str, object] = {"model": "stand-in", "messages": [message], "temperature": 0}
        if self.stream:
            body["stream"] = True
        return json.dumps(body).encode()

    def request(self, *headers: str) -> bytes:
        """The whole HTTP request."""
        lines = [
            "POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json",
            *headers, f"Content-Length: {len(self.body)}", "", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode() + self.body

    @functools.cached_property
    def digest(self) -> str:
        return hashlib.sha256(f"user\n{self.text}\n".encode()).hexdigest()[:12]

    @property
    def first_token(self) -> bytes:
        """What the first token looks like on the wire."""
        return f'"content":"{self.digest}.0 '.encode()

    @property
    def answer_text(self) -> str:
        return "".join(f"{self.digest}.{index} " for index in range(self.tokens - 1)) + f"{self.digest}.end"

    def check(self, reply: bytes) -> bytes:
        """Returns the body of a whole HTTP reply.

        Raises WrongAnswer where it is not what the provider says to this prompt.
        """
        head, _, body = reply.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise WrongAnswer(f"{self.name}: {reply[:200]!r}")
        if b"transfer-encoding: chunked" in head.lower():
            body = _without_chunks(body)
        try:
            text = _streamed_text(body) if self.stream else _plain_text(body)
        except (ValueError, KeyError, IndexError) as error:
            raise WrongAnswer(f"{self.name}: cannot be read ({error}): {body[-200:]!r}") from error
        if text != self.answer_text:
            raise WrongAnswer(f"{self.name}: {text[:100]!r} in place of {self.answer_text[:100]!r}")
        return body


def _plain_text(body: bytes) -> str:
    choice = json.loads(body)["choices"][0]
    if choice["finish_reason"] != "stop":
        raise ValueError("it does not end with stop")
    return choice["message"]["content"]


def _streamed_text(body: bytes) -> str:
    data = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if not event.startswith(b":")]
    if data[-2:] != [b"[DONE]", b""]:
        raise ValueError("it does not end with [DONE]")
    events = [json.loads(event) for event in data[:-2]]
    if len({event["id"] for event in events}) > 1:
        raise ValueError("it is made of several attempts")
    choices = [choice for event in events for choice in event["choices"]]
    if choices[-1]["finish_reason"] != "stop":
        raise ValueError("it does not end with stop")
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def _without_chunks(body: bytes) -> bytes:
    pieces = []
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end].split(b";")[0], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
