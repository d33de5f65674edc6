# SPDX-License-Identifier: Apache-2.0
"""The session machine: bytes in, bytes out, nothing else."""

import random
import struct
import unittest

import paths  # noqa: F401
import referee
import samovar
import vectors

CHAT = samovar.question({"model": "m", "messages": []})


class Recorder:
    """A session, what it sends, and what each request was told."""

    def __init__(self, window=0, **reply):
        self.sent = bytearray()
        self.session = samovar.Session(self.sent.extend, window=window)
        if reply.pop("greet", True):
            self.session.receive(referee.hello_reply(**reply))
        self.told = {}
        self.requests = {}

    def ask(self, opcode=samovar.ASK, id=None):
        told = []
        request = self.session.open(opcode, lambda id: encoded(opcode, id), told.append, id=id)
        self.told[request.id], self.requests[request.id] = told, request
        return request

    def frames(self):
        """What was sent since, as (opcode, id, payload)."""
        found, at = [], len(samovar.MAGIC) if self.sent.startswith(samovar.MAGIC) else 0
        while at < len(self.sent):
            length, _, opcode, _, id = samovar.HEADER.unpack_from(self.sent, at)
            found.append((opcode, id, bytes(self.sent[at + 16 : at + 16 + length])))
            at += 16 + length
        self.sent.clear()
        return found


def encoded(opcode, id):
    if opcode in (samovar.ASK, samovar.ASK_DIGEST, samovar.WARM):
        return CHAT.encode(opcode, id)
    if opcode == samovar.PUT:
        return samovar.encode_put(id, "chat", "body", 0, {}, b"{}", b"{}")
    if opcode == samovar.INVALIDATE:
        return samovar.encode_invalidate(id, "model", None, {}, b"m")
    return samovar.frame(opcode, id)


def content(told):
    return b"".join(item.data for item in told if isinstance(item, samovar.Piece))


def ends(told):
    """How many times it was told that it is over."""
    return sum(not isinstance(item, samovar.Piece) or item.end for item in told)


@vectors.needed
class SessionOfTheDocument(unittest.TestCase):
    """§14, byte by byte."""

    def play(self, cut=None):
        """Plays it with the server's bytes cut by `cut(bytes)`, and gives what the requests were told."""
        sent = bytearray()
        session = samovar.Session(sent.extend, window=65536)
        told, requests, pongs = {}, {}, []
        for who, what, data in vectors.session():
            if who == "server":
                for part in cut(data) if cut else [data]:
                    session.receive(part)
                self.assertIsNone(session.failure)
                continue
            if what == "magic":
                continue
            if what == "HELLO":
                data = samovar.MAGIC + data
            else:
                sent.clear()
                self.act(session, what, told, requests, pongs)
            self.assertEqual(bytes(sent).hex(" "), data.hex(" "), what)
        self.assertEqual(pongs, [bytes(range(1, 9))])
        self.assertEqual(session.go_away, samovar.GoAway(1, 25000))
        self.assertEqual(session.inflight, {})
        return told

    def act(self, session, what, told, requests, pongs):
        name, _, rest = what.partition(" ")
        id = int(rest[:1] or 0)
        events = '{"model":"m","messages":[],"stream":true}'
        if name == "ASK" and id == 1:
            asked, ms = samovar.question('{"model":"m","messages":[]}'), 0
        elif name == "ASK":
            asked, ms = samovar.question(events, events=True), 30000
        if name == "ASK":
            told[what] = []
            requests[id] = session.open(samovar.ASK, lambda id: asked.encode(samovar.ASK, id, ms), told[what].append, id)
        elif name == "ASK_DIGEST":
            told[what] = []
            asked = samovar.question('{"model":"m","messages":[]}')
            session.open(samovar.ASK_DIGEST, lambda id: asked.encode(samovar.ASK_DIGEST, id, 0), told[what].append, id)
        elif name == "WINDOW":
            session.grant(requests[id], 15)
        elif name == "CANCEL":
            kept = requests[id].put
            session.cancel(requests[id])
            requests[id].put = kept
        elif name == "PING":
            session.ping(bytes(range(1, 9)), pongs.append)

    def test_it_is_spoken_as_written(self):
        told = self.play()
        (hit,) = told["ASK 1, a body"]
        self.assertEqual(
            [hit.head.result.name, hit.head.age, hit.head.remaining, hit.data], ["L1_HIT", 12, 3588, b'{"id":"a"}']
        )
        head, event, end = told["ASK 2, a stream, in the same segment"]
        self.assertEqual([head.head.result.name, head.data, event.data], ["MISS", b"", b'data: {"a":1}\n\n'])
        self.assertTrue(event.event_end)
        self.assertIsInstance(end, samovar.Cancelled)
        self.assertEqual(list(told.values())[2], [samovar.BODY_NEEDED_REPLY])

    def test_bytes_split_anywhere_make_no_difference(self):
        whole = {name: [repr(item) for item in items] for name, items in self.play().items()}
        longest = max(len(data) for who, _, data in vectors.session() if who == "server")
        for at in range(1, longest):
            cut = self.play(lambda data: [data[:at], data[at:]])
            self.assertEqual({name: [repr(item) for item in items] for name, items in cut.items()}, whole)
        single = self.play(lambda data: [data[i : i + 1] for i in range(len(data))])
        self.assertEqual({name: [repr(item) for item in items] for name, items in single.items()}, whole)

    def test_a_server_that_closes_at_any_byte_fails_what_is_open_and_nothing_else(self):
        replies = [data for who, _, data in vectors.session() if who == "server"]
        stream = b"".join(replies[:4] + replies[5:])  # all but BODY_NEEDED, which answers a third request
        greeting = len(replies[0])
        for at in range(len(stream) + 1):
            made = Recorder(window=65536, greet=False)
            made.session.receive(stream[:greeting][:at])
            if made.session.is_usable:
                made.ask()
                made.ask()
                made.session.receive(stream[greeting:at])
            made.session.end()
            self.assertIsNotNone(made.session.failure)
            self.assertEqual(made.session.inflight, {})
            for told in made.told.values():
                self.assertEqual(ends(told), 1, at)
            if at < greeting:
                self.assertIn("is it a Samovar?", str(made.session.failure))
            self.assertIsInstance(made.session.failure, samovar.ConnectionLost)


class Interleavings(unittest.TestCase):
    """Many requests, a server that answers in any order and cuts anywhere: 300 seeds."""

    def test_every_request_gets_its_own_bytes_and_one_end(self):
        for seed in range(300):
            self.run_seed(random.Random(seed), seed)

    def run_seed(self, dice, seed):
        window = dice.choice([1024, 1500, 65536])
        chunk = dice.choice([1, 100, 1024, 16384])
        made = self.with_window(window, chunk)
        session = made.session
        wanted, left, credit = {}, {}, {}
        for _ in range(dice.randrange(1, 20)):
            opcode = dice.choice([samovar.ASK, samovar.ASK, samovar.ASK_DIGEST, samovar.STATS, samovar.PUT, samovar.WARM])
            id = made.ask(opcode).id
            self.plan(dice, id, opcode, wanted, left, window)
            credit[id] = window
        made.frames()
        cancelled, read, idle = set(), {}, 0
        queue = bytearray()
        while left:
            self.assertIsNone(session.failure, seed)
            progressed = False
            for id in dice.sample(sorted(left), len(left)):
                if dice.random() < 0.02 and id not in cancelled:
                    session.cancel(made.requests[id])
                    cancelled.add(id)
                sent = self.send_one(dice, id, left, credit, chunk, cancelled)
                progressed = progressed or bool(sent)
                queue += sent
            while queue:
                cut = dice.randrange(1, len(queue) + 1)
                session.receive(bytes(queue[:cut]))
                del queue[:cut]
            self.consume(made, dice, read)
            for opcode, id, payload in made.frames():
                if opcode == samovar.WINDOW and id in credit:
                    credit[id] += struct.unpack("<I", payload)[0]
                    progressed = True
            idle = 0 if progressed else idle + 1  # a reader may be slow, and a cancelled reply wait a turn
            self.assertLess(idle, 50, f"seed {seed}: nobody can go on")
        self.assertIsNone(session.failure, f"seed {seed}: {session.failure}")
        self.assertEqual(session.inflight, {})
        for id, told in made.told.items():
            if id not in cancelled:
                self.assertEqual(ends(told), 1, seed)
                if id in wanted:
                    self.assertEqual(content(told), wanted[id], seed)

    def with_window(self, window, chunk):
        made = Recorder(greet=False, window=window)
        made.session.receive(referee.hello_reply(window=window, chunk_size=chunk, inflight_max=64))
        return made

    def plan(self, dice, id, opcode, wanted, left, window):
        if opcode in (samovar.ASK, samovar.ASK_DIGEST, samovar.STATS):
            wanted[id] = bytes(dice.randrange(256) for _ in range(dice.choice([0, 1, 50, 3 * window if window < 2000 else 99])))
        left[id] = {"opcode": opcode, "rest": wanted.get(id, b""), "began": opcode == samovar.STATS}

    def send_one(self, dice, id, left, credit, chunk, cancelled):
        """At most one frame of this reply, within its credit."""
        plan = left[id]
        if dice.random() < 0.4:
            return referee.frame("PING", 0, bytes(8))
        if id in cancelled and dice.random() < 0.5:
            del left[id]
            return referee.error(id, 44, 499)
        if plan["opcode"] == samovar.PUT:
            del left[id]
            return referee.done(id, "STORED", 1)
        if plan["opcode"] == samovar.WARM:
            del left[id]
            return referee.done(id, dice.choice(["STORED", "CACHED", "NOT_STORED"]))
        size = min(len(plan["rest"]), credit[id], chunk, dice.randrange(1, 2000))
        data, plan["rest"] = plan["rest"][:size], plan["rest"][size:]
        credit[id] -= size
        last = ["END"] if not plan["rest"] else []
        if not data and not last:
            return b""
        if last:
            del left[id]
        if plan["began"]:
            return referee.data(id, data, *last)
        plan["began"] = True
        total = len(data) + len(plan["rest"]) if dice.random() < 0.5 else None
        return referee.answer(id, data, *last, total=total)

    def consume(self, made, dice, read):
        """The readers read, some of them later."""
        for id, told in made.told.items():
            come = len(content(told))
            if come > read.get(id, 0) and dice.random() < 0.9:
                made.session.consumed(made.requests[id], come - read.get(id, 0))
                read[id] = come


class Cancelling(unittest.TestCase):
    def replies(self, id):
        """Each way a reply may go, frame by frame."""
        return {
            "one frame": [referee.answer(id, b"{}", "END", total=2)],
            "a stream": [referee.answer(id, stream=True), referee.data(id, b"x"), referee.data(id, b"y", "END")],
            "an error": [referee.error(id, 62, 502)],
            "an answer cut": [referee.answer(id, b"{"), referee.error(id, 64, 502)],
            "cancelled": [referee.answer(id, b"{"), referee.error(id, 44, 499)],
            "an empty end": [referee.answer(id, b"{}"), referee.data(id, b"", "END")],
        }

    def test_cancel_at_any_moment_leaves_one_end_and_a_connection_that_works(self):
        for name in self.replies(1):
            frames = self.replies(1)[name]
            for at in range(len(frames) + 1):
                with self.subTest(name, at=at):
                    made = Recorder()
                    request = made.ask()
                    made.frames()
                    for frame in frames[:at]:
                        made.session.receive(frame)
                    before = len(made.told[1])
                    made.session.cancel(request)
                    sent = made.frames()
                    self.assertEqual(sent, [(samovar.CANCEL, 1, b"")] if at < len(frames) else [])
                    self.assertEqual(1 in made.session.inflight, at < len(frames))
                    for frame in frames[at:]:
                        made.session.receive(frame)
                    self.assertEqual(len(made.told[1]), before)  # nobody listens any more
                    self.assertTrue(request.ended)
                    self.assertEqual(made.session.inflight, {})
                    self.works(made)

    def works(self, made):
        id = made.ask().id
        made.session.receive(referee.answer(id, b"{}", "END"))
        self.assertEqual(content(made.told[id]), b"{}")

    def test_a_repeated_cancel_is_allowed_and_the_id_is_not_used_before_its_end(self):
        made = Recorder()
        request = made.ask()
        made.session.cancel(request)
        made.session._next_id = request.id
        self.assertNotEqual(made.ask().id, request.id)


class Credit(unittest.TestCase):
    def made(self, window=1024, chunk_size=1024):
        made = Recorder(greet=False, window=window)
        made.session.receive(referee.hello_reply(window=window, chunk_size=chunk_size))
        request = made.ask()
        made.frames()
        return made, request

    def test_half_a_window_is_given_back_as_one_frame(self):
        made, request = self.made()
        made.session.receive(referee.answer(1, bytes(600)))
        made.session.consumed(request, 511)
        self.assertEqual(made.frames(), [])
        made.session.consumed(request, 1)
        self.assertEqual(made.frames(), [(samovar.WINDOW, 1, struct.pack("<I", 512))])

    def test_an_answer_that_fits_and_one_that_has_ended_get_none(self):
        made, request = self.made()
        made.session.receive(referee.answer(1, bytes(1000), total=1001))
        made.session.consumed(request, 1000)
        self.assertEqual(made.frames(), [])
        made.session.receive(referee.data(1, b"x", "END"))
        made.session.consumed(request, 1)
        self.assertEqual(made.frames(), [])

    def test_bytes_without_credit_break_the_rules(self):
        made, request = self.made()
        made.session.receive(referee.answer(1, bytes(1024)))
        self.assertIsNone(made.session.failure)
        made.session.receive(referee.data(1, b"x"))
        self.assertIsInstance(made.session.failure, samovar.ProtocolError)

    def test_more_than_a_chunk_in_a_frame_breaks_the_rules(self):
        made, _ = self.made(window=65536, chunk_size=100)
        made.session.receive(referee.answer(1, bytes(101)))
        self.assertIsInstance(made.session.failure, samovar.ProtocolError)


class Rules(unittest.TestCase):
    def broken_by(self, opcode, *frames):
        made = Recorder()
        made.ask(opcode)
        for frame in frames:
            made.session.receive(frame)
        self.assertIsInstance(made.session.failure, samovar.ProtocolError)
        self.assertEqual(ends(made.told[1]), 1)

    def test_replies_that_do_not_belong_to_their_request_end_the_connection(self):
        self.broken_by(samovar.ASK, referee.data(1, b"x"))
        self.broken_by(samovar.ASK, referee.answer(1), referee.answer(1, b"", "END"))
        self.broken_by(samovar.ASK, referee.frame("BODY_NEEDED", 1, b"", "END"))
        self.broken_by(samovar.ASK_DIGEST, referee.answer(1), referee.frame("BODY_NEEDED", 1, b"", "END"))
        self.broken_by(samovar.ASK, referee.done(1, "STORED"))
        self.broken_by(samovar.STATS, referee.answer(1, b"{}", "END"))
        self.broken_by(samovar.STATS, referee.done(1, "STORED"))
        self.broken_by(samovar.PUT, referee.answer(1, b"{}", "END"))
        self.broken_by(samovar.PUT, referee.done(1, "INVALIDATED"))
        self.broken_by(samovar.WARM, referee.done(1, "INVALIDATED"))
        self.broken_by(samovar.INVALIDATE, referee.done(1, "STORED"))
        self.broken_by(samovar.ASK, referee.answer(2, b"{}", "END"))
        self.broken_by(samovar.ASK, referee.error(1, 20, 400))

    def test_a_frame_after_the_end_under_its_id_ends_the_connection(self):
        made = Recorder()
        made.ask()
        made.session.receive(referee.answer(1, b"{}", "END"))
        self.assertIsNone(made.session.failure)
        made.session.receive(referee.data(1, b"x", "END"))
        self.assertIsInstance(made.session.failure, samovar.ProtocolError)
        self.assertEqual(ends(made.told[1]), 1)

    def test_a_total_that_is_not_kept_is_a_cut_answer_and_the_connection_goes_on(self):
        for size in (1, 3):
            made = Recorder()
            made.ask()
            made.session.receive(referee.answer(1, bytes(size), "END", total=2))
            self.assertIsNone(made.session.failure)
            self.assertIsInstance(made.told[1][-1], samovar.AnswerCut)
            self.assertEqual(ends(made.told[1]), 1)
            Cancelling.works(self, made)

    def test_a_greeting_beyond_what_was_asked_for_ends_the_connection(self):
        for reply in ({"window": 65537}, {"features": 8}, {"version": 2}, {"window": 0}, {"inflight_max": 0}):
            made = Recorder(greet=False, window=65536)
            made.session.receive(referee.hello_reply(**reply))
            self.assertIsInstance(made.session.failure, samovar.ProtocolError, reply)

    def test_unknown_fields_of_128_and_more_are_skipped(self):
        made = Recorder()
        made.ask()
        section = b"\x20\x01\x00t" + b"\x80\x02\x00ab" + b"\xff\x00\x00"
        fixed = struct.pack("<BBHIiI", 1, 0, len(section), 0, 0, 0)
        made.session.receive(referee.frame("ANSWER", 1, fixed + section + b"{}", "END"))
        self.assertEqual([made.told[1][0].head.tenant, made.told[1][0].data], ["t", b"{}"])

    def test_pings_are_answered_in_order_whatever_else_is_under_way(self):
        made = Recorder()
        made.ask()
        made.frames()
        cookies = [bytes([i] * 8) for i in range(5)]
        made.session.receive(b"".join(referee.frame("PING", 0, cookie) for cookie in cookies))
        self.assertEqual(made.frames(), [(samovar.PONG, 0, cookie) for cookie in cookies])
        made.session.receive(referee.frame("PONG", 0, b"whatever"))
        self.assertIsNone(made.session.failure)

    def test_what_the_server_would_close_for_is_not_sent(self):
        made = Recorder(frame_size_max=100, metadata_size_max=50)
        made.frames()
        large = samovar.question("x" * 200)
        keyed = samovar.question("{}", headers={"openai-project": "p" * 60})
        for asked, code in ((large, 30), (keyed, 24)):
            with self.assertRaises(samovar.InvalidRequest) as caught:
                made.session.open(samovar.ASK, lambda id: asked.encode(samovar.ASK, id), print)
            self.assertEqual(caught.exception.code, code)
        self.assertEqual([made.frames(), made.session.inflight], [[], {}])

    def test_an_error_of_the_connection_fails_everyone_with_its_reason(self):
        made = Recorder()
        made.ask()
        made.ask()
        made.session.receive(referee.error(0, 7, 408, "too slow", retryable=True) + b"whatever comes after it")
        self.assertEqual([told[0].name for told in made.told.values()], ["TOO_SLOW", "TOO_SLOW"])
        self.assertTrue(made.told[1][0].retryable)
        self.assertIsNot(made.told[1][0], made.told[2][0])


class Garbage(unittest.TestCase):
    def settle(self, made):
        made.session.end()
        for told in made.told.values():
            self.assertEqual(ends(told), 1)
        self.assertEqual(made.session.inflight, {})

    def test_random_bytes_fail_the_session_and_nothing_else(self):
        for seed in range(500):
            dice = random.Random(seed)
            made = Recorder(greet=dice.random() < 0.7)
            if made.session.is_usable:
                made.ask()
            for _ in range(dice.randrange(1, 6)):
                made.session.receive(bytes(dice.randrange(256) for _ in range(dice.randrange(60))))
            self.settle(made)

    def test_damaged_frames_fail_the_session_or_are_frames_and_nothing_else(self):
        good = [
            referee.answer(1, b"data: 1\n\n", "EVENT_END", stream=True, age=1, metadata={"TENANT": "t", "MODEL": "m"}),
            referee.data(1, b"data: 2\n\n", "EVENT_END"), referee.frame("PING", 0, bytes(8)),
            referee.answer(2, b"{}", "END", total=2), referee.error(3, 60, 429, retry_after_ms=5), referee.go_away(),
            referee.data(1, b"", "END"),
        ]  # fmt: skip
        stream = b"".join(good)
        for seed in range(3000):
            dice = random.Random(seed)
            made = Recorder()
            for _ in range(3):
                made.ask()
            damaged = bytearray(stream)
            for _ in range(dice.choice([1, 1, 2, 5])):
                at = dice.randrange(len(damaged))
                what = dice.randrange(3)
                if what == 0:
                    damaged[at] = dice.randrange(256)
                elif what == 1:
                    damaged[at] ^= 1 << dice.randrange(8)
                else:
                    del damaged[at : at + dice.randrange(1, 20)]
            while damaged:
                cut = dice.randrange(1, len(damaged) + 1)
                made.session.receive(bytes(damaged[:cut]))
                del damaged[:cut]
            self.settle(made)


class WhatUsersWrite(unittest.TestCase):
    def test_wrong_arguments_are_named(self):
        for call, word in (
            (lambda: samovar.question("{}", "video"), "video"),
            (lambda: samovar.question("{}", "models"), "models"),
            (lambda: samovar.question("{}", headers={"cookie": "x"}), "cookie"),
            (lambda: samovar.question("{}", headers={"openai-beta": "é"}), "openai-beta"),
            (lambda: samovar.question("{}", headers={"openai-beta": "a", "OpenAI-Beta": "b"}), "twice"),
            (lambda: samovar.question("{}", max_age=-1), "max_age"),
            (lambda: samovar.question("{}", max_stale=1.5), "max_stale"),
            (lambda: samovar.AsyncClient(window=5), "window"),
            (lambda: samovar.AsyncClient(authorization="a\nb"), "authorization"),
            (lambda: samovar.AsyncClient("http://localhost:7601"), "URL"),
            (lambda: samovar.AsyncClient("localhost:port"), "port"),
            (lambda: samovar.AsyncClient("unix:"), "path"),
        ):
            with self.assertRaisesRegex(ValueError, word):
                call()

    def test_addresses(self):
        for text, host, port, path in (
            ("localhost", "localhost", 7601, None), ("10.0.0.1:80", "10.0.0.1", 80, None), ("[::1]:9", "::1", 9, None),
            ("[::1]", "::1", 7601, None), ("::1", "::1", 7601, None), ("unix:/run/s", "", 7601, "/run/s"),
        ):  # fmt: skip
            address = samovar.Address(text)
            self.assertEqual([address.host, address.port, address.path], [host, port, path], text)

    def test_events_have_their_data(self):
        self.assertEqual(samovar.Event(b'data: {"a":1}\n\n').json(), {"a": 1})
        self.assertEqual(samovar.Event(b"event: x\r\ndata:1\r\ndata: 2\r\n\r\n").data, "1\n2")
        self.assertTrue(samovar.Event(b"data: [DONE]\n\n").is_done)

    def test_every_code_has_its_class_and_unknown_ones_their_facts(self):
        for code, (name, status, kind) in samovar.CODES.items():
            error = samovar.decode_error(referee.error(1, code, status or 429, retryable=True)[16:])
            self.assertIs(type(error), kind)
            self.assertEqual([error.code, error.name, error.retryable, error.retry_after], [code, name, True, None])
        error = samovar.decode_error(referee.error(1, 999, 503, retry_after_ms=1500)[16:])
        self.assertEqual([error.code, error.name, error.status, error.retry_after], [999, None, 503, 1.5])
        for body in (b"", b"{", b"[]", b'{"error":3}', b'{"error":{"message":3,"code":[]}}', b"\xff", b"[" * 9999):
            error = samovar.decode_error(referee.error(1, 40, 400, body=body)[16:])
            self.assertEqual([type(error), error.body], [samovar.InvalidRequest, body])


if __name__ == "__main__":
    unittest.main()
