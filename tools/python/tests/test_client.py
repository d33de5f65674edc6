# SPDX-License-Identifier: Apache-2.0
"""Both clients over real sockets, against a server that plays its part and referees."""

import asyncio
import contextlib
import gc
import hashlib
import io
import json
import math
import os
import queue
import random
import signal
import socket
import threading
import time
import unittest
from unittest import mock

import paths  # noqa: F401
import referee
import samovar
import vectors
from fake_server import FakeServer

CHAT = {"model": "m", "messages": []}
SOON = {"backoff_min": 0.001, "backoff_max": 0.002}


def echo(peer, dice=None, **reply):
    """Answers every ASK with its body as a hit, now and then out of order; DONE and figures for the rest."""
    peer.greet(**reply)
    held = []
    while True:
        message = peer.receive()
        if message is None:
            return
        id, opcode = message["id"], message["opcode"]
        if opcode == "ASK":
            body = message["body"]
            held.append(referee.answer(id, body, "END", result="L1_HIT", age=1, remaining=2, total=len(body)))
        elif opcode == "PING":
            peer.send(referee.frame("PONG", 0, bytes.fromhex(message["cookie"])))
        elif opcode == "STATS":
            held.append(referee.data(id, b'{"hits":', ) + referee.data(id, b" 3}", "END"))
        elif opcode in ("PUT", "WARM"):
            held.append(referee.done(id, "STORED", 1))
        elif opcode == "INVALIDATE":
            held.append(referee.done(id, "INVALIDATED", 7))
        elif opcode == "ASK_DIGEST":
            held.append(referee.frame("BODY_NEEDED", id, b"", "END"))
        if dice is not None and dice.random() < 0.5 and len(peer.judge.inflight) < peer.judge.inflight_max:
            continue  # answered later, with others
        if dice is not None:
            dice.shuffle(held)
        for frames in held:
            peer.send(frames)
        held.clear()


def slowly(frames):
    """A byte at a time."""
    def send(peer):
        for byte in frames:
            peer.socket.sendall(bytes([byte]))
    return send  # fmt: skip


class ClientCase(unittest.TestCase):
    """`self.client(server)` is a sync client that is closed with its server."""

    def client(self, server, **options):
        address = server if isinstance(server, str) else server.address
        client = samovar.Client(address, **{"timeout": 20, **SOON, **options})
        if not isinstance(server, str):
            server.clients.append(client)
        self.addCleanup(client.close)
        return client


@vectors.needed
class SessionOfTheDocument(ClientCase):
    def test_both_clients_live_through_it(self):
        parts = vectors.session()
        replies = [data for who, _, data in parts if who == "server"]

        def play(peer):
            """Sends the document's replies under the ids that this client counts."""
            hello = peer.expect("HELLO")
            self.assertEqual([hello["window"], hello["features"]], [65536, ["DIGEST", "EVENTS"]])
            peer.send(replies[0])
            ids = {}
            ids[1] = peer.expect("ASK")["id"]
            stream = peer.expect("ASK")
            ids[2] = stream["id"]
            self.assertIn("EVENTS", stream["options"])
            self.assertTrue(29000 < stream["deadline_ms"] <= 30000)
            for data in replies[1:4]:
                id = int.from_bytes(data[8:16], "little")
                peer.send(data[:8] + ids[id].to_bytes(8, "little") + data[16:])
            digest = peer.expect("ASK_DIGEST")
            self.assertEqual(digest["digest"], hashlib.sha256(b"{}").hexdigest())
            peer.send(replies[4][:8] + digest["id"].to_bytes(8, "little"))
            asked = peer.expect("ASK")
            self.assertEqual(asked["metadata"]["BODY_DIGEST"], digest["digest"])
            peer.send(referee.answer(asked["id"], b"{}", "END"))
            self.assertEqual(peer.expect("CANCEL")["id"], ids[2])
            peer.send(replies[5][:8] + ids[2].to_bytes(8, "little") + replies[5][16:])
            ping = peer.expect("PING")
            peer.send(referee.frame("PONG", 0, bytes.fromhex(ping["cookie"])), replies[7])
            self.assertEqual(peer.drain(), [])

        with FakeServer(play) as server:
            client = self.client(server, window=65536)
            answers = []
            first = threading.Thread(target=lambda: answers.append(client.ask('{"model":"m","messages":[]}')))
            first.start()
            while client.server is None or not client._client._current.session.inflight:
                time.sleep(0.001)
            stream = client.stream('{"model":"m","messages":[],"stream":true}', events=True, deadline=30)
            first.join()
            self.assertEqual([answers[0].result.name, answers[0].age, answers[0].body], ["L1_HIT", 12, b'{"id":"a"}'])
            self.assertEqual(next(stream).json(), {"a": 1})
            self.assertEqual(client.ask("{}", digest_first=True).body, b"{}")
            stream.close()
            client.ping()

    def test_a_server_that_closes_at_every_byte_is_survived(self):
        parts = [data for who, _, data in vectors.session() if who == "server"][:4]
        stream = b"".join(parts)
        cuts = queue.Queue()

        def play(peer):
            cut = cuts.get_nowait()
            peer.judge.features = 3
            peer.expect("HELLO")
            peer.send(stream[: min(cut, len(parts[0]))])
            if cut > len(parts[0]):
                peer.expect("ASK")
                peer.expect("ASK")
                peer.socket.sendall(stream[len(parts[0]) : cut])

        async def go(address):
            for cut in range(len(stream)):
                cuts.put(cut)
                async with samovar.AsyncClient(address, timeout=20, retries=0, window=65536, **SOON) as client:
                    tasks = [client.ask("{}"), self.read(client)]
                    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                    hit_is_there = cut >= len(parts[0]) + len(parts[1])
                    self.assertEqual(isinstance(outcomes[0], samovar.Answer), hit_is_there, (cut, outcomes))
                    for outcome in outcomes[hit_is_there:]:
                        self.assertIsInstance(outcome, samovar.ConnectionLost, cut)

        with FakeServer(play) as server:
            asyncio.run(go(server.address))

    async def read(self, client):
        return [chunk async for chunk in client.stream("{}", events=True)]

    def test_a_byte_at_a_time_makes_no_difference(self):
        def play(peer):
            peer.expect("HELLO")
            slowly(referee.hello_reply())(peer)
            id = peer.expect("ASK")["id"]
            slowly(referee.answer(id, b"data: 1\n\n", "EVENT_END", stream=True))(peer)
            slowly(referee.data(id, b"data: 2\n", "EVENT_END") + referee.data(id, b"\n", "END", "EVENT_END"))(peer)
            peer.drain()

        with FakeServer(play) as server:
            with self.client(server).stream(CHAT) as stream:
                self.assertEqual(b"".join(stream), b"data: 1\n\ndata: 2\n\n")


class Asking(ClientCase):
    def test_an_answer_says_what_it_is(self):
        def play(peer):
            peer.greet(metadata={"SOFTWARE": "samovar/1"})
            asked = peer.expect("ASK")
            self.assertEqual(asked["body"], b'{"model":"m","messages":[]}')
            self.assertEqual(asked["options"], ["HAS_MAX_AGE", "HAS_MAX_STALE", "SHOW_TENANT"])
            self.assertEqual([asked["max_age"], asked["max_stale"], asked["deadline_ms"]], [60, 0xFFFFFFFF, 0])
            self.assertEqual(asked["metadata"], {"openai-project": "p"})
            peer.send(referee.answer(asked["id"], b'{"a"', result="STALE", age=9, remaining=-3, total=7, stored=True,
                                     metadata={"TENANT": "é"}))  # fmt: skip
            peer.send(referee.data(asked["id"], b":1}", "END"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server, timeout=None)
            answer = client.ask(CHAT, headers={"OpenAI-Project": "p"}, max_age=60, max_stale=math.inf, show_tenant=True)
            self.assertEqual([answer.result, answer.hit, answer.age, answer.remaining, answer.total, answer.stored,
                              answer.tenant, answer.model, answer.is_stream, answer.json(), bytes(answer), answer.text],
                             [samovar.Result.STALE, False, 9, -3, 7, True, "é", None, False, {"a": 1}, b'{"a":1}',
                              '{"a":1}'])  # fmt: skip
            self.assertEqual(client.server.software, "samovar/1")

    def test_hello_carries_who_is_asking(self):
        seen = queue.Queue()

        def play(peer):
            seen.put(peer.greet()["metadata"])
            peer.send(referee.frame("PONG", 0, bytes.fromhex(peer.expect("PING")["cookie"])))
            peer.drain()

        with FakeServer(play, unix=True) as server:
            client = self.client(server, authorization="Bearer k", admin_token="a", access_token="b", software="me/1")
            client.ping()
            client.close()
        self.assertEqual(seen.get(), {"AUTHORIZATION": "Bearer k", "ADMIN_TOKEN": "a", "ACCESS_TOKEN": "b",
                                      "SOFTWARE": "me/1"})  # fmt: skip

    def test_many_threads_share_one_connection_and_never_each_others_answers(self):
        dice = random.Random(1)
        with FakeServer(lambda peer: echo(peer, dice, inflight_max=8)) as server:
            client = self.client(server)
            wrong = []

            def asker(number):
                for turn in range(25):
                    body = f"{number}/{turn}/" + "x" * (number * turn)
                    if client.ask(body).text != body:
                        wrong.append(body)

            # The server holds answers back until its next frame: one more asker than ever waits keeps it going.
            threads = [threading.Thread(target=asker, args=(number,)) for number in range(16)]
            stop = threading.Event()
            nudge = threading.Thread(target=lambda: [client.ping() for _ in iter(stop.is_set, True)])
            for thread in [*threads, nudge]:
                thread.start()
            for thread in threads:
                thread.join()
            stop.set()
            nudge.join()
            self.assertEqual([wrong, server.connections], [[], 1])

    def test_many_tasks_wait_for_room_and_all_are_answered(self):
        async def go(address):
            async with samovar.AsyncClient(address, timeout=20) as client:
                answers = await asyncio.gather(*(client.ask(str(number)) for number in range(500)))
                self.assertEqual([answer.text for answer in answers], [str(number) for number in range(500)])

        with FakeServer(lambda peer: echo(peer, inflight_max=2)) as server:  # its referee refuses a third
            asyncio.run(go(server.address))
            self.assertEqual(server.connections, 1)

    def test_tasks_that_are_cancelled_while_they_wait_for_room_take_none_with_them(self):
        async def go(address, seed):
            dice = random.Random(seed)
            async with samovar.AsyncClient(address, timeout=20) as client:
                tasks = [asyncio.ensure_future(client.ask(str(number))) for number in range(60)]
                for task in dice.sample(tasks, 30):
                    for _ in range(dice.randrange(4)):
                        await asyncio.sleep(0)
                    task.cancel()
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                for number, outcome in enumerate(outcomes):
                    if not isinstance(outcome, asyncio.CancelledError):
                        self.assertEqual(outcome.text, str(number))
                self.assertEqual((await client.ask("last")).text, "last")

        with FakeServer(lambda peer: echo(peer, inflight_max=3)) as server:
            for seed in range(20):
                asyncio.run(go(server.address, seed))

    def test_room_that_is_not_used_goes_to_the_next_who_waits(self):
        async def go(address):
            async with samovar.AsyncClient(address, timeout=5) as client:
                asked = [client.ask(body) for body in ("first", "x" * 2000, "third")]
                first, large, third = await asyncio.gather(*asked, return_exceptions=True)
                self.assertEqual([first.text, large.name, third.text], ["first", "BODY_TOO_LARGE", "third"])

        with FakeServer(lambda peer: echo(peer, inflight_max=1, frame_size_max=1000)) as server:
            asyncio.run(go(server.address))

    def test_room_that_was_handed_to_a_task_cancelled_in_the_same_turn_is_handed_on(self):
        def play(peer):
            peer.greet(inflight_max=1)
            first = peer.expect("ASK")["id"]
            self.assertEqual(peer.expect("CANCEL")["id"], first)
            peer.send(referee.error(first, 44, 499))
            third = peer.expect("ASK")
            peer.send(referee.answer(third["id"], third["body"], "END"))
            peer.drain()

        async def go(address):
            async with samovar.AsyncClient(address, timeout=5) as client:
                first, second, third = (asyncio.ensure_future(client.ask(str(number))) for number in (1, 2, 3))
                while not client._current or len(client._current._waiting) < 2:
                    await asyncio.sleep(0)
                connection, waiter = client._current, client._current._waiting[0]
                waiter.add_done_callback(lambda _: second.cancel())
                first.cancel()
                self.assertEqual((await third).text, "3")
                self.assertTrue(second.cancelled() and not connection._waiting)

        with FakeServer(play) as server:
            asyncio.run(go(server.address))

    def test_operations(self):
        with FakeServer(echo) as server:
            client = self.client(server, admin_token="t")
            self.assertEqual(client.stats(), {"hits": 3})
            stored = samovar.Done(samovar.Outcome.STORED, 1)
            self.assertEqual(client.put(CHAT, {"id": "a"}, ttl=60), stored)
            self.assertEqual(client.put(CHAT, b"data: [DONE]\n\n", form="stream"), stored)
            self.assertEqual(client.warm(CHAT, no_cache=True, max_age=3), stored)
            for what in ({"body": CHAT}, {"kind": "models"}, {"namespace": "n"}, {"model": "m"}, {"tenant": ""}):
                self.assertEqual(client.invalidate(**what), samovar.Done(samovar.Outcome.INVALIDATED, 7))
            for what in ({}, {"namespace": "n", "model": "m"}, {"body": CHAT, "model": "m"}, {"model": ""},
                         {"model": "m", "headers": {"openai-beta": "x"}}):  # fmt: skip
                with self.assertRaises(ValueError):
                    client.invalidate(**what)
            self.assertGreater(client.ping(), 0)

    def test_errors_carry_what_the_server_said(self):
        def play(peer):
            peer.greet()
            peer.send(referee.error(peer.expect("ASK")["id"], 60, 429, "slow down", True, 2500, 429))
            id = peer.expect("ASK")["id"]
            peer.send(referee.answer(id, b"half"), referee.error(id, 64, 502, "broke off", True))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            with self.assertRaisesRegex(samovar.UpstreamFailed, "slow down") as caught:
                client.ask(CHAT)
            error = caught.exception
            self.assertEqual([error.code, error.name, error.status, error.upstream_status, error.retryable,
                              error.retry_after, error.error_code, error.error_type],
                             [60, "UPSTREAM_REFUSED", 429, 429, True, 2.5, "c", "t"])  # fmt: skip
            with self.assertRaises(samovar.UpstreamFailed) as caught:
                client.ask(CHAT)
            self.assertEqual(caught.exception.partial, b"half")

    def test_a_digest_is_asked_first_and_the_body_only_where_it_is_needed(self):
        digest = hashlib.sha256(b"{}").hexdigest()

        def play(peer):
            peer.greet()
            first = peer.expect("ASK_DIGEST")
            self.assertEqual([first["digest"], first["options"]], [digest, ["ONLY_IF_CACHED"]])
            peer.send(referee.frame("BODY_NEEDED", first["id"], b"", "END"))
            second = peer.expect("ASK")
            self.assertEqual([second["metadata"]["BODY_DIGEST"], second["body"]], [digest, b"{}"])
            peer.send(referee.answer(second["id"], b"whole", "END"))
            third = peer.expect("ASK_DIGEST")
            peer.send(referee.answer(third["id"], b"hi", result="L1_HIT"), referee.data(third["id"], b"t", "END"))
            self.assertEqual(peer.expect("ASK")["metadata"], {"BODY_DIGEST": digest})  # no_cache forbids the digest
            peer.close()

        with FakeServer(play) as server:
            client = self.client(server, retries=0)
            self.assertEqual(client.ask("{}", digest_first=True, only_if_cached=True).body, b"whole")
            self.assertEqual(client.ask("{}", digest_first=True).body, b"hit")
            with self.assertRaises(samovar.ConnectionLost):
                client.ask("{}", digest_first=True, no_cache=True)

    def test_features_that_the_server_has_not_are_not_used(self):
        with FakeServer(lambda peer: echo(peer, features=0)) as server:
            client = self.client(server)
            self.assertEqual(client.ask("{}", digest_first=True).body, b"{}")
            with self.assertRaises(samovar.InvalidRequest) as caught:
                client.stream(CHAT, events=True)
            self.assertEqual(caught.exception.name, "FEATURE_NOT_AGREED")

    def test_more_than_answer_size_max_is_not_collected(self):
        def play(peer):
            peer.greet()
            id = peer.expect("ASK")["id"]
            peer.send(referee.answer(id, bytes(100)), referee.data(id, bytes(1)))
            self.assertEqual(peer.expect("CANCEL")["id"], id)

        with FakeServer(play) as server:
            with self.assertRaisesRegex(samovar.AnswerCut, "answer_size_max"):
                self.client(server, answer_size_max=100).ask(CHAT)

    def test_a_large_body_goes_up_while_pings_come_down(self):
        def play(peer):
            peer.greet()
            cookies = [bytes([i % 256] * 8) for i in range(1000)]
            peer.socket.recv(1)  # the body has begun to come; it is not read on until all PINGs are out
            peer.judge.buffer = b""
            peer.socket.sendall(b"".join(referee.frame("PING", 0, cookie) for cookie in cookies))
            size, tail = 1, b""
            while size < 16 + 16 + (8 << 20) + 24 * len(cookies):
                got = peer.socket.recv(1 << 20)
                size, tail = size + len(got), (tail + got)[-8:]
            self.assertEqual(tail.hex(), cookies[-1].hex())
            peer.socket.sendall(referee.answer(1, b"ok", "END"))
            peer.socket.recv(1)

        with FakeServer(play) as server:
            client = self.client(server)
            self.assertEqual(client.ask(bytes(8 << 20)).body, b"ok")


class Streaming(ClientCase):
    def stream_of(self, *chunks, flags=(), window=65536, result="MISS"):
        """A server that streams these chunks once, within its credit, and then echoes."""

        def play(peer):
            peer.greet(window=window, chunk_size=1024)
            asked = peer.expect("ASK")
            id, credit = asked["id"], window
            peer.send(referee.answer(id, stream=True, result=result))
            for number, chunk in enumerate(chunks):
                while credit < len(chunk):
                    credit += peer.expect("WINDOW")["credit"]
                credit -= len(chunk)
                peer.send(referee.data(id, chunk, *flags, *(["END"] if number == len(chunks) - 1 else [])))
            peer.drain()

        return play

    def test_chunks_come_in_order_and_credit_is_given_back(self):
        chunks = [bytes([i]) * 1000 for i in range(40)]
        with FakeServer(self.stream_of(*chunks, window=1024)) as server:
            client = self.client(server, window=1024)
            with client.stream(CHAT) as stream:
                self.assertEqual([stream.head.result.name, stream.head.is_stream], ["MISS", True])
                self.assertEqual(b"".join(stream), b"".join(chunks))

    def test_asyncio_streams_the_same(self):
        chunks = [bytes([i]) * 1000 for i in range(40)]

        async def go(address):
            async with samovar.AsyncClient(address, window=1024, timeout=20) as client:
                got = [chunk async for chunk in client.stream(CHAT)]
                self.assertEqual(b"".join(got), b"".join(chunks))

        with FakeServer(self.stream_of(*chunks, window=1024)) as server:
            asyncio.run(go(server.address))

    def test_a_reader_that_does_not_read_gives_no_credit(self):
        more = threading.Event()

        def play(peer):
            peer.greet(window=1024, chunk_size=1024)
            id = peer.expect("ASK")["id"]
            peer.send(referee.answer(id, bytes(1024), stream=True))
            peer.send(referee.frame("PING", 0, bytes(8)))
            self.assertEqual(peer.receive()["opcode"], "PONG")  # and no WINDOW before it
            more.set()
            self.assertEqual(peer.expect("WINDOW")["credit"], 1024)
            peer.send(referee.data(id, b"x", "END"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server, window=1024)
            stream = client.stream(CHAT)  # its head is here, and its first bytes with it
            self.assertTrue(more.wait(10))
            self.assertEqual(len(b"".join(stream)), 1025)

    def test_an_event_larger_than_the_window_comes_whole(self):
        def play(peer):
            peer.greet(window=1024, chunk_size=1024)
            asked = peer.expect("ASK")
            self.assertEqual(asked["options"], ["EVENTS"])
            self.assertTrue(json.loads(asked["body"])["stream"])
            id, credit = asked["id"], 1024
            peer.send(referee.answer(id, stream=True))
            event = b"data: " + b"x" * 9000 + b"\n\n"
            for at in range(0, len(event), 500):
                part = event[at : at + 500]
                while credit < len(part):
                    credit += peer.expect("WINDOW")["credit"]
                credit -= len(part)
                peer.send(referee.data(id, part, *(["EVENT_END"] if at + 500 >= len(event) else [])))
            last = b"data: [DONE]\n\n"
            while credit < len(last):
                credit += peer.expect("WINDOW")["credit"]
            peer.send(referee.data(id, last, "EVENT_END", "END"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server, window=1024)
            events = list(client.stream(CHAT, events=True))
            self.assertEqual([len(event.data) for event in events], [9000, 6])
            self.assertTrue(events[-1].is_done)

    def test_a_stream_that_is_left_early_is_cancelled_and_the_connection_goes_on(self):
        with FakeServer(self.leaving) as server:
            client = self.client(server)
            for chunk in client.stream(CHAT):
                self.assertEqual(chunk, b"first")
                break
            gc.collect()
            with client.stream(CHAT) as stream:
                next(stream)
            stream = client.stream(CHAT)
            stream.close()
            stream.close()
            self.assertEqual(list(stream), [])
            self.assertEqual(client.ask("{}").body, b"{}")
            self.assertEqual(server.connections, 1)

    def test_asyncio_leaves_early_the_same(self):
        async def go(address):
            async with samovar.AsyncClient(address, timeout=20) as client:
                async for chunk in client.stream(CHAT):
                    self.assertEqual(chunk, b"first")
                    break
                gc.collect()
                await asyncio.sleep(0)  # what garbage collection has found is cancelled in the next turn
                async with client.stream(CHAT) as stream:
                    await stream.__anext__()
                stream = await client.stream(CHAT).open()
                await stream.close()
                self.assertEqual((await client.ask("{}")).body, b"{}")

        with FakeServer(self.leaving) as server:
            asyncio.run(go(server.address))
            self.assertEqual(server.connections, 1)

    def leaving(self, peer):
        peer.greet()
        for _ in range(3):
            id = peer.expect("ASK")["id"]
            peer.send(referee.answer(id, b"first", stream=True))
            self.assertEqual(peer.expect("CANCEL")["id"], id)
            peer.send(referee.data(id, b"on its way"), referee.error(id, 44, 499, "the caller cancelled"))
        asked = peer.expect("ASK")
        peer.send(referee.answer(asked["id"], asked["body"], "END"))
        peer.drain()

    def test_a_cancelled_task_cancels_its_request_and_only_it(self):
        async def go(address):
            async with samovar.AsyncClient(address, timeout=20) as client:
                task = asyncio.ensure_future(client.ask("first"))
                other = asyncio.ensure_future(client.ask("second"))
                while not client._current or len(client._current.session.inflight) < 2:
                    await asyncio.sleep(0)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertEqual((await other).body, b"ok")

        def play(peer):
            peer.greet()
            first, second = peer.expect("ASK"), peer.expect("ASK")
            self.assertEqual(peer.expect("CANCEL")["id"], first["id"])
            peer.send(referee.answer(first["id"], b"racing it", "END"), referee.answer(second["id"], b"ok", "END"))
            peer.drain()

        with FakeServer(play) as server:
            asyncio.run(go(server.address))

    def test_a_stream_that_breaks_off_gives_what_came_and_then_the_error(self):
        def play(peer):
            peer.greet()
            for events in (False, True):
                id = peer.expect("ASK")["id"]
                peer.send(referee.answer(id, b"data: 1\n\n", "EVENT_END", stream=True)
                          + referee.data(id, b"data: 2") + referee.error(id, 64, 502, retryable=True))  # fmt: skip
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            for events, expected in ((False, [b"data: 1\n\n", b"data: 2"]), (True, [b"data: 1\n\n"])):
                got = []
                with self.assertRaises(samovar.UpstreamFailed):
                    for chunk in client.stream(CHAT, events=events):
                        got.append(bytes(chunk))
                self.assertEqual(got, expected)

    def test_with_events_a_body_is_a_body(self):
        def play(peer):
            peer.greet()
            id = peer.expect("ASK")["id"]
            peer.send(referee.answer(id, b"{"), referee.data(id, b"}", "END"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            with client.stream(CHAT, events=True) as stream:
                self.assertFalse(stream.head.is_stream)
                self.assertEqual(b"".join(stream), b"{}")


class Deadlines(ClientCase):
    def test_a_request_that_is_late_is_cancelled_and_the_connection_goes_on(self):
        def play(peer):
            peer.greet()
            late = peer.expect("ASK")
            self.assertTrue(1 <= late["deadline_ms"] <= 50, late)
            self.assertEqual(peer.expect("CANCEL")["id"], late["id"])
            peer.send(referee.error(late["id"], 43, 504))
            asked = peer.expect("ASK")
            peer.send(referee.answer(asked["id"], b"ok", "END"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            with self.assertRaises(samovar.DeadlineExceeded) as caught:
                client.ask(CHAT, deadline=0.05)
            self.assertIsInstance(caught.exception, TimeoutError)
            self.assertEqual(client.ask(CHAT).body, b"ok")

    def test_the_servers_own_deadline_is_the_same_error(self):
        def play(peer):
            peer.greet()
            peer.send(referee.error(peer.expect("ASK")["id"], 43, 504, "late"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            with self.assertRaisesRegex(samovar.DeadlineExceeded, "late"):
                client.ask(CHAT)

    def test_waiting_for_a_connection_or_for_room_counts(self):
        def play(peer):
            peer.greet(inflight_max=1)
            first = peer.expect("ASK")
            self.assertEqual(peer.expect("CANCEL")["id"], first["id"])

        with FakeServer(play) as server:
            client = self.client(server)
            begun = client.ask

            def hold():
                with contextlib.suppress(samovar.SamovarError):
                    begun("first", deadline=0.3)

            thread = threading.Thread(target=hold)
            thread.start()
            while client.server is None or not client._client._current.session.inflight:
                time.sleep(0.001)
            with self.assertRaisesRegex(samovar.DeadlineExceeded, "other requests"):
                client.ask("second", deadline=0.05)
            thread.join()

        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with self.assertRaisesRegex(samovar.DeadlineExceeded, "connecting"):
            self.client(f"127.0.0.1:{silent.getsockname()[1]}").ask(CHAT, deadline=0.05)

    def test_no_deadline_is_sent_where_none_is_wanted_and_nonsense_is_refused(self):
        def play(peer):
            peer.greet()
            asked = peer.expect("ASK")
            self.assertEqual(asked["deadline_ms"], 0)
            peer.send(referee.answer(asked["id"], b"ok", "END"))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            self.assertEqual(client.ask(CHAT, deadline=None).body, b"ok")
            with self.assertRaises(ValueError):
                client.ask(CHAT, deadline=0)


class Reconnecting(ClientCase):
    def test_a_lost_connection_is_made_again_and_the_question_asked_again(self):
        def play(peer):
            peer.greet()
            asked = peer.expect("ASK")
            if peer.number == 1:
                peer.send(referee.answer(asked["id"], b"half"))
                peer.reset()
            else:
                peer.send(referee.answer(asked["id"], b"whole", "END"))
                peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            self.assertEqual(client.ask(CHAT).body, b"whole")
            self.assertEqual(server.connections, 2)

    def test_a_stream_is_not_begun_again_once_its_reader_has_some_of_it(self):
        def play(peer):
            peer.greet()
            peer.send(referee.answer(peer.expect("ASK")["id"], b"half", stream=True))

        with FakeServer(play) as server:
            client = self.client(server)
            got = []
            with self.assertRaises(samovar.ConnectionLost):
                for chunk in client.stream(CHAT):
                    got.append(chunk)
            self.assertEqual([got, server.connections], [[b"half"], 1])

    def test_without_retries_the_loss_is_an_error_and_the_next_request_connects(self):
        def play(peer):
            peer.greet()
            asked = peer.expect("ASK")
            if peer.number > 1:
                peer.send(referee.answer(asked["id"], b"ok", "END"))
                peer.drain()

        with FakeServer(play) as server:
            client = self.client(server, retries=0)
            with self.assertRaises(samovar.ConnectionLost) as caught:
                client.ask(CHAT)
            self.assertTrue(caught.exception.retryable)
            self.assertEqual(client.ask(CHAT).body, b"ok")

    def test_nobody_there_is_said_so_after_the_retries(self):
        free = socket.socket()
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        for where in (address, "unix:/nonexistent/samovar.sock"):
            with self.assertRaisesRegex(samovar.ConnectFailed, "no connection to"):
                self.client(where).ask(CHAT)

    def test_attempts_to_connect_are_spaced_out_from_the_third_on(self):
        waits = []

        async def go():
            client = samovar.AsyncClient("unix:/nonexistent", retries=7, backoff_min=0.1, backoff_max=0.5)
            slept = asyncio.sleep

            async def sleep(seconds, *rest):
                waits.append(seconds)
                await slept(0)

            with mock.patch.object(asyncio, "sleep", sleep), mock.patch.object(random, "uniform", lambda low, high: high):
                with self.assertRaises(samovar.ConnectFailed):
                    await client.ask(CHAT)

        asyncio.run(go())
        self.assertEqual([round(wait, 3) for wait in waits], [0.1, 0.2, 0.4, 0.5, 0.5, 0.5])

    def test_after_goaway_new_requests_take_a_new_connection_and_old_ones_finish(self):
        finish = threading.Event()

        def play(peer):
            peer.greet()
            asked = peer.expect("ASK")
            if peer.number == 1:
                peer.send(referee.answer(asked["id"], b"begun", stream=True), referee.go_away())
                self.assertTrue(finish.wait(10))
                peer.send(referee.data(asked["id"], b" and done", "END"))
                self.assertEqual(peer.drain(), [])  # the client closes by itself
            else:
                peer.send(referee.answer(asked["id"], b"new", "END"))
                peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            stream = client.stream(CHAT)
            first = client._client._last
            while first.session.go_away is None:
                time.sleep(0.001)
            self.assertEqual(client.ask(CHAT).body, b"new")
            finish.set()
            self.assertEqual(b"".join(stream), b"begun and done")
            self.assertEqual(server.connections, 2)

    def test_a_request_that_crosses_goaway_is_sent_again_elsewhere(self):
        def play(peer):
            peer.greet()
            asked = peer.expect("ASK")
            if peer.number == 1:
                peer.send(referee.go_away(), referee.error(asked["id"], 47, 503, retryable=True))
                self.assertEqual(peer.drain(), [])
            else:
                peer.send(referee.answer(asked["id"], b"ok", "END"))
                peer.drain()

        with FakeServer(play) as server:
            client = self.client(server)
            self.assertEqual(client.ask(CHAT).body, b"ok")

    def test_draining_without_goaway_is_as_good_as_one(self):
        def play(peer):
            peer.greet()
            asked = peer.expect("ASK")
            if peer.number == 1:
                peer.send(referee.error(asked["id"], 47, 503, retryable=True))
                self.assertEqual(peer.drain(), [])  # the client closes it
            else:
                peer.send(referee.answer(asked["id"], b"ok", "END"))
                peer.drain()

        with FakeServer(play) as server:
            self.assertEqual(self.client(server).ask(CHAT).body, b"ok")

    def test_other_errors_are_not_tried_again(self):
        def play(peer):
            peer.greet()
            peer.send(referee.error(peer.expect("ASK")["id"], 45, 503, retryable=True, retry_after_ms=10))
            self.assertEqual(peer.drain(), [])

        with FakeServer(play) as server:
            client = self.client(server)
            with self.assertRaises(samovar.Unavailable):
                client.ask(CHAT)

    def test_an_idle_connection_is_kept_alive_by_pings(self):
        pings = queue.Queue()

        def play(peer):
            peer.greet(idle_timeout_ms=120)
            for number in range(3):
                ping = peer.receive()
                self.assertEqual(ping["opcode"], "PING")
                peer.send(referee.frame("PONG", 0, bytes.fromhex(ping["cookie"])))
                pings.put(number)
            peer.drain()

        with FakeServer(play) as server:
            self.client(server).ping()
            for _ in range(3):
                pings.get(timeout=10)

    def test_a_server_that_has_vanished_is_noticed(self):
        def play(peer):
            peer.greet(idle_timeout_ms=120)
            peer.expect("ASK")
            self.assertEqual([message["opcode"] for message in peer.drain()], ["PING", "CANCEL"][:1])

        with FakeServer(play) as server:
            client = self.client(server, retries=0)
            with self.assertRaisesRegex(samovar.ConnectionLost, "said nothing"):
                client.ask(CHAT)

    def test_close_frees_everyone_who_waits(self):
        def play(peer):
            peer.greet()
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server, timeout=None)
            errors = queue.Queue()

            def wait(call):
                try:
                    call()
                except samovar.SamovarError as error:
                    errors.put(error)

            calls = [lambda: client.ask(CHAT), lambda: next(client.stream(CHAT)), client.stats]
            threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
            for thread in threads:
                thread.start()
            while client.server is None or len(client._client._current.session.inflight) < 3:
                time.sleep(0.001)
            client.close()
            client.close()
            for thread in threads:
                thread.join(10)
            self.assertEqual([type(errors.get(timeout=1)) for _ in calls], [samovar.ClientClosed] * 3)
            with self.assertRaises(samovar.ClientClosed):
                client.ask(CHAT)

    def test_an_interrupt_cancels_the_request_and_leaves_the_connection(self):
        def play(peer):
            peer.greet()
            id = peer.expect("ASK")["id"]
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # Ctrl-C
            self.assertEqual(peer.expect("CANCEL")["id"], id)
            peer.send(referee.error(id, 44, 499))
            peer.send(referee.answer(peer.expect("ASK")["id"], b"ok", "END"))

        with FakeServer(play) as server:
            client = self.client(server)
            with self.assertRaises(KeyboardInterrupt):
                client.ask(CHAT)
            self.assertEqual(client.ask(CHAT).body, b"ok")

    def test_a_client_that_is_dropped_stops_its_thread(self):
        with FakeServer(echo) as server:
            client = samovar.Client(server.address)
            client.ask(CHAT)
            thread = client._thread
            del client
            gc.collect()
            thread.join(10)
            self.assertFalse(thread.is_alive())


class NotASamovar(ClientCase):
    def test_strangers_are_named_and_not_tried_again(self):
        for words, name in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"), (b"-ERR unknown command\r\n", "RESP"),
                            (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"), (b"SSH-2.0-x\r\n", "SSH")):  # fmt: skip
            def play(peer):
                peer.socket.sendall(words)
                peer.close()

            with FakeServer(play) as server:
                with self.assertRaisesRegex(samovar.NotSamovar, name):
                    self.client(server).ask(CHAT)
                self.assertEqual(server.connections, 1)

    def test_one_that_says_nothing_or_closes_at_once_makes_a_hint(self):
        done = threading.Event()
        with FakeServer(lambda peer: done.wait(10)) as server:
            with self.assertRaisesRegex(samovar.ConnectFailed, "did not greet.*is it a Samovar"):
                self.client(server, connect_timeout=0.05, retries=0).ask(CHAT)
            done.set()
        with FakeServer(lambda peer: peer.close()) as server:
            with self.assertRaisesRegex(samovar.ConnectionLost, "before it said anything: is it a Samovar"):
                self.client(server).ask(CHAT)
            self.assertEqual(server.connections, 3)

    def test_a_wrong_token_is_unauthenticated_and_not_tried_again(self):
        def play(peer):
            peer.expect("HELLO")
            peer.send(referee.error(0, 2, 401, "the admin token is wrong"))

        with FakeServer(play) as server:
            with self.assertRaisesRegex(samovar.Unauthenticated, "admin token"):
                self.client(server, admin_token="x").stats()
            self.assertEqual(server.connections, 1)

    def test_a_full_server_is_tried_again(self):
        def play(peer):
            if peer.number < 3:
                peer.send(referee.error(0, 8, 503, retryable=True))  # before HELLO was read: a reset follows it
                peer.reset() if peer.number == 2 else peer.close()
            else:
                echo(peer)

        with FakeServer(play) as server:
            client = self.client(server)
            self.assertEqual(client.ask("{}").body, b"{}")
            self.assertEqual(server.connections, 3)

    def test_a_refused_connection_that_need_not_be_tried_again_is_not(self):
        with FakeServer(lambda peer: peer.send(referee.error(0, 8, 503, retryable=False))) as server:
            with self.assertRaises(samovar.Unavailable):
                self.client(server).ask(CHAT)
            self.assertEqual(server.connections, 1)

    def test_what_came_before_a_write_failed_is_read(self):
        async def go():
            ours, theirs = socket.socketpair()
            loop = asyncio.get_running_loop()
            connection = samovar._Connection(loop, lambda output: samovar.Session(output), True)
            transport, _ = await loop.create_connection(lambda: connection, sock=ours)
            theirs.sendall(referee.hello_reply() + referee.error(0, 5, 413, "too large"))
            connection.connection_lost(BrokenPipeError())  # before the loop has seen a byte of it
            self.assertEqual(connection.session.failure.name, "FRAME_TOO_LARGE")
            transport.abort()
            await asyncio.sleep(0)
            theirs.close()

        asyncio.run(go())

    def test_a_server_that_sends_ping_after_ping_without_reading_is_left(self):
        def play(peer):
            peer.greet()
            peer.expect("ASK")
            for _ in range(100):
                peer.socket.sendall(referee.frame("PING", 0, bytes(8)) * 1000)

        with FakeServer(play, unix=True) as server:
            with self.assertRaisesRegex(samovar.ConnectionLost, "does not read"):
                self.client(server, retries=0).ask(CHAT)

    def test_the_reason_is_heard_though_the_upload_fails(self):
        def play(peer):
            peer.greet()
            peer.socket.recv(1)
            peer.socket.sendall(referee.error(0, 5, 413, "too large"))
            peer.close()  # with most of the upload unread: the client's writes fail

        with FakeServer(play) as server:
            with self.assertRaises(samovar.SamovarError) as caught:
                self.client(server, retries=0).ask(bytes(8 << 20))
            self.assertEqual(caught.exception.name, "FRAME_TOO_LARGE", caught.exception)

    def test_garbage_after_the_greeting_fails_what_is_open(self):
        def play(peer):
            peer.greet()
            peer.expect("ASK")
            peer.socket.sendall(bytes(random.Random(peer.number).randrange(256) for _ in range(64)))
            peer.drain()

        with FakeServer(play) as server:
            client = self.client(server, retries=0)
            for _ in range(10):
                with self.assertRaises(samovar.ProtocolError):
                    client.ask(CHAT)


class CommandLine(ClientCase):
    def run_main(self, *arguments, **environment):
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = samovar.main(list(arguments))
            except SystemExit as exit:
                code = exit.code
        return code, out.getvalue(), err.getvalue()

    def test_ask_stats_and_ping(self):
        def play(peer):
            peer.greet(metadata={"SOFTWARE": "samovar/1"})
            while True:
                message = peer.receive()
                if message is None:
                    return
                id = message["id"]
                if message["opcode"] == "PING":
                    peer.send(referee.frame("PONG", 0, bytes.fromhex(message["cookie"])))
                elif message["opcode"] == "STATS":
                    peer.send(referee.data(id, b'{"hits":3}', "END"))
                elif b'"stream":true' in message["body"]:
                    event = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
                    peer.send(referee.answer(id, event, "EVENT_END", stream=True))
                    peer.send(referee.data(id, b"data: [DONE]\n\n", "EVENT_END", "END"))
                else:
                    body = b'{"choices":[{"message":{"content":"an urn"}}]}'
                    peer.send(referee.answer(id, body, "END", result="L1_HIT", age=4))

        with FakeServer(play) as server:
            address = {"SAMOVAR_ADDRESS": server.address}
            code, out, err = self.run_main("ask", "What is a samovar?", **address)
            self.assertEqual([code, out], [0, "an urn\n"])
            self.assertRegex(err, r"L1_HIT, 4 s old, \d+\.\d+ ms")
            code, out, err = self.run_main("--address", server.address, "ask", "--stream", "Count")
            self.assertEqual([code, out], [0, "one\n"])
            self.assertIn("MISS", err)
            self.assertEqual(self.run_main("stats", **address)[:2], (0, '{\n  "hits": 3\n}\n'))
            code, out, _ = self.run_main("ping", **address)
            self.assertEqual(code, 0)
            self.assertRegex(out, r"samovar/1: version 1, digest, events, \d+ µs away")

    def test_help_shows_an_example_and_mistakes_are_said_in_a_line(self):
        for arguments in (["--help"], ["ask", "--help"]):
            code, out, _ = self.run_main(*arguments)
            self.assertEqual(code, 0)
            self.assertIn('python -m samovar ask "What is a samovar?"', out)
        for arguments, code, word in ((["--address", "unix:/nonexistent", "ping"], 1, "no connection"),
                                      (["--address", "http://x", "ping"], 2, "URL"), ([], 2, "ask")):  # fmt: skip
            got, _, err = self.run_main(*arguments)
            self.assertEqual(got, code)
            self.assertIn(word, err)
            self.assertNotIn("Traceback", err)


if __name__ == "__main__":
    unittest.main()
