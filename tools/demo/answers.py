"""What the stand-in provider must have answered: a function of the messages, so that any client can check."""

from __future__ import annotations

import hashlib


def digest_of(messages: list[dict[str, str]]) -> str:
    transcript = "".join(f"{message['role']}\n{message['content']}\n" for message in messages)
    return hashlib.sha256(transcript.encode()).hexdigest()[:12]


def check_answer(messages: list[dict[str, str]], text: str) -> bool:
    """Whether the text is the whole answer to these messages, and nothing else."""
    digest = digest_of(messages)
    tokens = text.split(" ")
    expected = [f"{digest}.{index}" for index in range(len(tokens) - 1)] + [f"{digest}.end"]
    return tokens == expected
