"""What the storm's client says of answers, right and wrong: `python3 -m unittest discover tools/drills/tests`."""

from __future__ import annotations

import json
import pathlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

_TOOLS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_TOOLS), str(_TOOLS / "bench")]

from drills.storm.load import FIXED_ANSWER, OpenLoop, Outcome, spelled  # noqa: E402
from drills.storm.plan import Arrival, Plan, Question, instants, zipf  # noqa: E402

_QUESTION = Question("What is a samovar?")
_STREAMED = Question("What is a samovar?", stream=True)


class Script:
    """A server that answers each connection's requests with given bytes, and ends it where None is given."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._serve(caller)

    def _serve(self, caller: socket.socket) -> None:
        with caller:
            while self._answers and caller.recv(65536):
                answer = self._answers.pop(0)
                if answer is None:
                    return
                # Piece by piece, as no network promises otherwise.
                for at in range(0, len(answer), 700):
                    caller.sendall(answer[at : at + 700])
            while self._answers == [] and caller.recv(65536):
                pass


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chat(text: bytes) -> bytes:
    return b'{"choices":[{"message":{"content":"' + text + b'"},"finish_reason":"stop"}]}'


def stream(text: bytes, ids: tuple[str, ...] = ("a",), end: bytes = b"data: [DONE]\n\n") -> bytes:
    events = b"".join(
        b'data: {"id":"' + ids[index % len(ids)].encode() + b'","choices":[{"delta":{"content":"' + word + b'"}}]}\n\n'
        for index, word in enumerate(text.replace(b" ", b" \0").split(b"\0"))
    )
    return events + end


def chunked(body: bytes, whole: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head + framed + (b"0\r\n\r\n" if whole else b"")


class Judging(unittest.TestCase):
    """One answer, and what is said of it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.load = OpenLoop(pathlib.Path(folder.name), None)

    def ask(
        self, *answers: bytes | None, question: Question = _QUESTION, count: int = 1, give_up: float = 10
    ) -> list[Outcome]:
        plan = Plan([Arrival(0.05 * index, question) for index in range(count)])
        with Script(*answers) as script:
            self.script = script
            start = time.monotonic() + 0.3
            return self.load.run(script.port, spelled(plan), plan.arrivals, start, give_up)

    def kind(self, *answers: bytes | None, question: Question = _QUESTION) -> str:
        return self.ask(*answers, question=question)[0].kind

    def test_primary(self) -> None:
        outcome = self.ask(reply(chat(_QUESTION.primary), "X-Cache: HIT"))[0]
        self.assertEqual((outcome.kind, outcome.label, outcome.status), ("success", "HIT", 200))

    def test_one_other_byte_is_wrong(self) -> None:
        text = bytearray(_QUESTION.primary)
        text[len(text) // 2] ^= 1
        self.assertEqual(self.kind(reply(chat(bytes(text)))), "wrong")

    def test_a_beginning_is_wrong(self) -> None:
        self.assertEqual(self.kind(reply(chat(_QUESTION.primary[:-20]))), "wrong")

    def test_lighter_under_its_label(self) -> None:
        self.assertEqual(self.kind(reply(chat(_QUESTION.lighter), "X-Cache: FALLBACK")), "lighter")
        self.assertEqual(self.kind(reply(chat(_QUESTION.lighter), "X-Samovar-Step: fallback")), "lighter")

    def test_lighter_under_another_label_is_wrong(self) -> None:
        self.assertEqual(self.kind(reply(chat(_QUESTION.lighter), "X-Cache: HIT")), "wrong")

    def test_fixed(self) -> None:
        self.assertEqual(self.kind(reply(chat(FIXED_ANSWER.encode()), "X-Cache: FALLBACK")), "fixed")

    def test_stream(self) -> None:
        self.assertEqual(self.kind(chunked(stream(_STREAMED.primary)), question=_STREAMED), "success")

    def test_stream_of_two_attempts_is_wrong(self) -> None:
        self.assertEqual(self.kind(chunked(stream(_STREAMED.primary, ("a", "b"))), question=_STREAMED), "wrong")

    def test_stream_that_ends_well_too_early_is_wrong(self) -> None:
        self.assertEqual(self.kind(chunked(stream(_STREAMED.primary[:100])), question=_STREAMED), "wrong")

    def test_streams_that_say_they_were_cut(self) -> None:
        early = _STREAMED.primary[:100]
        self.assertEqual(self.kind(chunked(stream(early, end=b"")), question=_STREAMED), "cut")
        error = b'data: {"error":{"message":"the upstream went away"}}\n\ndata: [DONE]\n\n'
        self.assertEqual(self.kind(chunked(stream(early, end=error)), question=_STREAMED), "cut")

    def test_refused(self) -> None:
        body = json.dumps({"error": {"code": "queue_timeout"}}, separators=(",", ":")).encode()
        outcome = self.ask(reply(body, "Retry-After: 7", status="503 Service Unavailable"))[0]
        self.assertEqual((outcome.kind, outcome.code, outcome.retry_after), ("503", "queue_timeout", 7))

    def test_connection_that_ends(self) -> None:
        self.assertEqual(self.kind(None), "cut")

    def test_kept_connection_that_ends_is_made_anew(self) -> None:
        answer = reply(chat(_QUESTION.primary))
        outcomes = self.ask(answer, None, answer, count=2)
        self.assertEqual([outcome.kind for outcome in outcomes], ["success", "success"])
        self.assertEqual(self.script.connections, 2)

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        plan = Plan([Arrival(0, _QUESTION)])
        self.assertEqual(
            self.load.run(port, spelled(plan), plan.arrivals, time.monotonic() + 0.3)[0].kind, "no connection"
        )

    def test_silence_is_given_up(self) -> None:
        beginning = reply(chat(_QUESTION.primary))[:-1]
        outcome = self.ask(beginning, give_up=0.4)[0]
        self.assertEqual(outcome.kind, "timeout")
        self.assertGreaterEqual(outcome.seconds, 0.4)


class Planning(unittest.TestCase):
    """When and what."""

    def test_ramp_has_as_many_as_its_integral_and_rises(self) -> None:
        due = instants(50, 3_000, 20, random.Random(1))
        self.assertEqual(len(due), 30_500)
        self.assertEqual(due, sorted(due))
        self.assertLessEqual(due[-1], 20)
        # 50 t + 73.75 t^2 until half of the time.
        self.assertAlmostEqual(sum(at < 10 for at in due), 7_875, delta=1)

    def test_zipf_asks_the_first_twice_as_often_as_the_second(self) -> None:
        questions = [Question(str(rank)) for rank in range(2_000)]
        asked = zipf(questions, 200_000, random.Random(1))
        self.assertAlmostEqual(asked.count(questions[0]) / asked.count(questions[1]), 2, delta=0.1)

    def test_plan_is_spelled_with_each_question_once(self) -> None:
        plan = Plan([Arrival(0, _QUESTION), Arrival(1, _QUESTION)])
        data = spelled(plan)
        (size,) = struct.unpack_from("<I", data)
        self.assertEqual(struct.unpack_from("<I", data, 4 + size), (1,))
        self.assertEqual(data.count(_QUESTION.request), 1)


if __name__ == "__main__":
    unittest.main()
