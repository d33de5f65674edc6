# SPDX-License-Identifier: Apache-2.0
"""The codec against the protocol's vectors, in both directions."""

import math
import random
import struct
import unittest

import paths  # noqa: F401
import referee
import samovar
import vectors

HEADERS = set(samovar.KEYED_HEADERS)
ASKED = '{"model":"m","messages":[]}'  # whose digest the vectors have


def text(value):
    """A vector's text as the bytes it stands for."""
    return value.encode("utf-8") if isinstance(value, str) else value


def client_frame(v):
    """The frame that the client writes for a vector's values."""
    opcode, id = v["opcode"], v["id"]
    headers = {name: value for name, value in v.get("metadata", {}).items() if name in HEADERS}
    if opcode == "HELLO":
        bits = sum({"DIGEST": samovar.DIGEST, "EVENTS": samovar.EVENTS}[name] for name in v["features"])
        types = {"AUTHORIZATION": 1, "ADMIN_TOKEN": 2, "ACCESS_TOKEN": 3, "SOFTWARE": 4}
        fields = {types[name]: samovar.field_text(name, value) for name, value in v["metadata"].items()}
        return samovar.encode_hello(bits, v["window"], fields)
    if opcode == "PING":
        return samovar.encode_ping(bytes.fromhex(v["cookie"]))
    if opcode == "CANCEL":
        return samovar.frame(samovar.CANCEL, id)
    if opcode == "WINDOW":
        return samovar.encode_window(id, v["credit"])
    if opcode == "STATS":
        return samovar.frame(samovar.STATS, id)
    fields = samovar._keyed_fields(headers)
    if opcode == "PUT":
        return samovar.encode_put(id, v["kind"], v["form"], v["ttl"], fields, text(v["body"]), text(v["answer"]))
    if opcode == "INVALIDATE":
        return samovar.encode_invalidate(id, v["target"], v["kind"], fields, text(v["what"]))
    options = v["options"]
    asked = samovar.question(
        ASKED if opcode == "ASK_DIGEST" else v["body"], v["kind"], headers,
        no_cache="NO_CACHE" in options, no_store="NO_STORE" in options, only_if_cached="ONLY_IF_CACHED" in options,
        max_age=v["max_age"] if "HAS_MAX_AGE" in options else None,
        max_stale=v["max_stale"] if "HAS_MAX_STALE" in options else None,
        show_tenant="SHOW_TENANT" in options, events="EVENTS" in options,
    )  # fmt: skip
    number = {"ASK": samovar.ASK, "WARM": samovar.WARM, "ASK_DIGEST": samovar.ASK_DIGEST}[opcode]
    return asked.encode(number, id, v["deadline_ms"], with_digest="BODY_DIGEST" in v["metadata"])


def session_with(id, opcode, got, **reply):
    """A session where request `id` is in flight."""
    sent = bytearray()
    session = samovar.Session(sent.extend)
    session.receive(referee.hello_reply(**{"chunk_size": 1 << 20, "window": 1 << 20, **reply}))
    session.sent = sent
    if id:
        session.open(opcode, lambda id: samovar.frame(opcode, id), got.append, id=id)
    return session


def opened_by(v):
    """The opcode of a request that such a reply answers."""
    if v["opcode"] == "DONE":
        return {"STORED": samovar.PUT, "INVALIDATED": samovar.INVALIDATE}.get(v["outcome"], samovar.WARM)
    return samovar.ASK_DIGEST if v["opcode"] == "BODY_NEEDED" else samovar.ASK


@vectors.needed
class Frames(unittest.TestCase):
    def test_the_client_writes_every_client_frame_as_given(self):
        count = 0
        for name, v in vectors.sections("frames.hex").items():
            if v["from"] == "client" and name != "hello-later-versions":  # this client speaks version 1 only
                with self.subTest(name):
                    if v.get("metadata", {}).get("BODY_DIGEST"):
                        given = v["metadata"]["BODY_DIGEST"]
                        self.assertEqual(samovar.Question(body=text(v["body"])).digest.hex(), given)
                    self.assertEqual(client_frame(v).hex(" "), v["hex"].hex(" "))
                    count += 1
        self.assertGreater(count, 20)

    def test_the_referee_reads_every_client_frame_as_said(self):
        for name, v in vectors.sections("frames.hex").items():
            if v["from"] != "client":
                continue
            with self.subTest(name):
                judge = referee.Referee()
                if v["opcode"] == "HELLO":
                    judge.magic = True
                else:
                    judge.greeted()
                (message,) = list(judge.read(v["hex"]))
                expected = {key: value for key, value in v.items() if key != "hex"}
                for key in ("body", "answer", "what"):
                    if key in expected:
                        expected[key] = text(expected[key])
                self.assertEqual(message, expected)

    def test_the_client_reads_every_server_frame_as_said(self):
        count = 0
        for name, v in vectors.sections("frames.hex").items():
            if v["from"] == "server":
                with self.subTest(name):
                    self.read(v)
                    count += 1
        self.assertGreater(count, 20)

    def read(self, v):
        got = []
        opcode, payload = v["opcode"], v["hex"][16:]
        if opcode == "HELLO_REPLY":
            session = samovar.Session(lambda _: None)
            session.receive(v["hex"])
            reply = session.reply
            self.assertIsNone(session.failure)
            names = {"DIGEST": 1, "EVENTS": 2, "ADMIN": 4}
            self.assertEqual(reply.features, sum(names[name] for name in v["features"]))
            self.assertEqual(reply.version, v["chosen_version"])
            for key in ("frame_size_max", "inflight_max", "window", "chunk_size", "idle_timeout_ms",
                        "metadata_size_max"):  # fmt: skip
                self.assertEqual(getattr(reply, key), v[key], key)
            self.assertEqual(reply.software, v["metadata"].get("SOFTWARE"))
            return
        if opcode == "ERROR":
            self.read_error(v, payload)
            return
        session = session_with(v["id"], opened_by(v), got)
        if opcode == "PING":
            session.sent.clear()
            session.receive(v["hex"])
            self.assertEqual(bytes(session.sent), samovar.frame(samovar.PONG, 0, bytes.fromhex(v["cookie"])))
            return
        if opcode == "PONG":
            session.ping(bytes.fromhex(v["cookie"]), got.append)
            session.receive(v["hex"])
            self.assertEqual(got, [bytes.fromhex(v["cookie"])])
            return
        if opcode == "DATA":
            session.inflight[v["id"]].head = samovar.Head(
                samovar.Result.MISS, True, None, None, None, None, None, None
            )
        session.receive(v["hex"])
        self.assertIsNone(session.failure if not isinstance(session.failure, samovar.AnswerCut) else None)
        self.assertEqual(v["id"] in session.inflight, "END" not in v["flags"] and v["id"] != 0)
        if opcode == "ANSWER":
            (piece,) = got
            head = piece.head
            self.assertEqual(head.result.name, v["result"])
            self.assertEqual(head.is_stream, v["form"] == "stream")
            self.assertEqual([head.age, head.remaining, head.total, head.stored],
                             [v["age"], v["remaining"], v["total"], v["stored"]])  # fmt: skip
            self.assertEqual([head.tenant, head.model], [v["metadata"].get("TENANT"), v["metadata"].get("MODEL")])
        if opcode in ("ANSWER", "DATA"):
            (piece,) = got
            self.assertEqual(piece.data, text(v["bytes"]))
            self.assertEqual([piece.end, piece.event_end], ["END" in v["flags"], "EVENT_END" in v["flags"]])
        elif opcode == "DONE":
            self.assertEqual(got, [samovar.Done(samovar.Outcome[v["outcome"]], v["count"], v["metadata"].get("TENANT"))])
        elif opcode == "BODY_NEEDED":
            self.assertEqual(got, [samovar.BODY_NEEDED_REPLY])
        elif opcode == "GOAWAY":
            self.assertEqual(session.go_away, samovar.GoAway(v["reason"], v["grace_ms"]))
            self.assertFalse(session.is_usable)

    def read_error(self, v, payload):
        error = samovar.decode_error(payload)
        self.assertEqual([error.code, error.name, error.status], [v["code"], v["name"], v["status"]])
        self.assertEqual(error.retryable, v["retryable"])
        self.assertEqual(error.upstream_status or 0, v["upstream_status"])
        after = v["retry_after_ms"]
        self.assertEqual(error.retry_after, None if after is None else after / 1000)
        self.assertEqual(error.body, text(v["body"]))
        got = []
        session = session_with(v["id"], samovar.ASK, got)
        session.receive(v["hex"])
        if v["id"] == 0:
            self.assertEqual(session.failure.code, v["code"])
        elif v["name"] == "DUPLICATE_ID":
            self.assertIsInstance(session.failure, samovar.ProtocolError)  # an id that this client has sent once
        else:
            self.assertIsNone(session.failure)
            self.assertEqual(got[0].code, v["code"])

    def test_the_referee_writes_every_server_frame_as_given(self):
        for name, v in vectors.sections("frames.hex").items():
            if v["from"] == "server":
                with self.subTest(name):
                    self.assertEqual(self.written(v).hex(" "), v["hex"].hex(" "))

    def written(self, v):
        opcode, id = v["opcode"], v["id"]
        if opcode == "HELLO_REPLY":
            keys = ("frame_size_max", "inflight_max", "window", "chunk_size", "idle_timeout_ms", "metadata_size_max",
                    "metadata")  # fmt: skip
            bits = sum(referee.FEATURES[name] for name in v["features"])
            return referee.hello_reply(bits, **{key: v[key] for key in keys})
        if opcode == "ANSWER":
            keys = ("result", "age", "remaining", "total", "stored", "metadata")
            stream = v["form"] == "stream"
            return referee.answer(id, text(v["bytes"]), *v["flags"], stream=stream, **{key: v[key] for key in keys})
        if opcode == "DATA":
            return referee.data(id, text(v["bytes"]), *v["flags"])
        if opcode == "DONE":
            return referee.done(id, v["outcome"], v["count"], v["metadata"])
        if opcode == "ERROR":
            return referee.error(id, v["code"], v["status"], retryable=v["retryable"], body=text(v["body"]),
                                 retry_after_ms=v["retry_after_ms"], upstream_status=v["upstream_status"])  # fmt: skip
        if opcode == "GOAWAY":
            return referee.go_away(v["reason"], v["grace_ms"])
        return referee.frame(opcode, id, bytes.fromhex(v.get("cookie", "")), *v["flags"])


@vectors.needed
class Refused(unittest.TestCase):
    def test_the_referee_refuses_what_clients_may_not_send_by_the_right_name(self):
        for name, v in vectors.sections("refused.hex").items():
            if v["from"] != "client":
                continue
            with self.subTest(name):
                judge = referee.Referee()
                judge.magic = True
                if v["after"] == "hello":
                    judge.greeted()
                try:
                    (refusal,) = list(judge.read(v["hex"]))
                except referee.Refusal as closing:
                    refusal = closing
                self.assertIsInstance(refusal, referee.Refusal)
                self.assertEqual([refusal.error, refusal.scope, refusal.id], [v["error"], v["scope"], v["id"]])

    def test_the_client_refuses_what_servers_may_not_send(self):
        opcodes = (samovar.ASK, samovar.ASK_DIGEST, samovar.PUT, samovar.WARM, samovar.STATS)
        for name, v in vectors.sections("refused.hex").items():
            if v["from"] != "server":
                continue
            for opcode in opcodes:
                for began in (False, True):
                    with self.subTest(name, opcode=opcode, began=began):
                        got = []
                        if v["after"] == "magic":
                            session = samovar.Session(lambda _: None)
                            session.receive(v["hex"])
                            self.assertIsInstance(session.failure, samovar.ProtocolError)
                            continue
                        session = session_with(5, opcode, got, chunk_size=16384)
                        if began and opcode in (samovar.ASK, samovar.ASK_DIGEST):
                            session.receive(referee.answer(5, b"{"))
                        session.receive(v["hex"])
                        self.assertIsInstance(session.failure, samovar.ProtocolError)
                        self.assertIsInstance(got[-1], samovar.ProtocolError)

    def test_the_client_never_writes_a_refused_frame(self):
        """Whatever users pass, it is refused here or the strict reader takes it: 4,000 random calls, wild values."""
        refused = {v["hex"] for v in vectors.sections("refused.hex").values() if v["from"] == "client"}
        written, said_no = 0, 0
        for seed in range(4000):
            encoded = wild_frame(random.Random(seed))
            if encoded is None:
                said_no += 1
                continue
            self.assertNotIn(encoded, refused, seed)
            opening = encoded[5] == samovar.HELLO
            judge = referee.Referee(metadata_size_max=65535)
            judge.magic = True
            if not opening:
                judge.greeted()
            try:
                (message,) = list(judge.read(encoded))
            except referee.Refusal as refusal:
                self.fail(f"seed {seed}: {refusal}")
            self.assertIsInstance(message, dict, f"seed {seed}: {message}")
            written += 1
        self.assertGreater(written, 1000)
        self.assertGreater(said_no, 500)


def wild_frame(dice):
    """One frame of the client from arguments that are seldom right, or None where it says no."""
    texts = ["", "a", "x" * 65, " a", "a\t", "a\nb", "é", "a b", "x" * 70000, "org-1"]
    names = sorted(HEADERS) + ["OpenAI-Beta", "cookie", ""]
    kinds = ["chat", "completions", "embeddings", "models", "", "video"]
    bodies = [b"", b"{}", "{}", None, {"model": "m"}, b"\xff\x00"]
    numbers = [0, 1, 60, 0xFFFFFFFF, 0x100000000, -1, None, True, 1.5, math.inf]
    if dice.random() < 0.6:  # mostly right, so that what is subtly wrong gets as far as the encoder
        texts, names, kinds = ["", "a", "a b", "x" * 65], sorted(HEADERS), ["chat", "embeddings", "models"]
        bodies, numbers = [b"", b"{}", {"model": "m"}], [0, 1, 0xFFFFFFFF, None]
    headers = {dice.choice(names): dice.choice(texts) for _ in range(dice.choice([0, 0, 1, 2, 3]))}
    id = dice.choice([1, 5, (1 << 64) - 1])
    try:
        what = dice.randrange(5)
        if what == 0:
            window = dice.choice([0, 1, 1023, 1024, 65536, 0xFFFFFFFF, 0x100000000, -1])
            texts = [value for value in texts if len(value) < 60000]
            fields = {type: samovar.field_text("x", dice.choice(texts)) for type in dice.sample([1, 2, 3, 4], 2)}
            return samovar.encode_hello(dice.choice([0, 1, 2, 3]), window, fields)
        if what == 1:
            return samovar.encode_put(
                id, dice.choice(kinds), dice.choice(["body", "stream", "both"]), dice.choice(numbers),
                samovar._keyed_fields(headers), samovar.to_bytes(dice.choice(bodies)), b"{}",
            )  # fmt: skip
        if what == 2:
            return samovar.encode_invalidate(
                id, dice.choice(["body", "namespace", "model", "tenant", "all"]), dice.choice(kinds + [None]),
                samovar._keyed_fields(headers), dice.choice([b"", b"x", b"x" * 256, b"x" * 257, b"x" * 513, b"\xff"]),
            )  # fmt: skip
        flip = lambda: dice.random() < 0.2  # noqa: E731
        asked = samovar.question(
            dice.choice(bodies), dice.choice(kinds), headers, flip(), flip(), flip(), dice.choice(numbers),
            dice.choice(numbers), flip(), flip(),
        )  # fmt: skip
        opcode = dice.choice([samovar.ASK, samovar.ASK_DIGEST, samovar.WARM])
        return asked.encode(opcode, id, dice.choice([0, 1, 0xFFFFFFFF]), with_digest=flip() and asked.kind != "models")
    except (ValueError, TypeError, samovar.SamovarError, struct.error) as error:
        assert not isinstance(error, struct.error), error
        return None


@vectors.needed
class Foreign(unittest.TestCase):
    def test_a_strangers_first_bytes_end_in_a_clear_error_however_they_are_cut(self):
        for name, v in vectors.sections("foreign.hex").items():
            start = v["hex"]
            for cut in range(len(start) + 1):
                with self.subTest(name, cut=cut):
                    session = samovar.Session(lambda _: None)
                    session.receive(start[:cut])
                    session.receive(start[cut:])
                    session.end()
                    self.assertIsNotNone(session.failure)
                    if len(start) > 1:
                        self.assertIsInstance(session.failure, samovar.NotSamovar)
                        self.assertIn("not Samovar's binary protocol", str(session.failure))
                    else:  # one byte may be the beginning of a length
                        self.assertIn("is it a Samovar?", str(session.failure))

    def test_the_error_says_who_it_seems_to_be(self):
        for start, word in (
            (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
            (b"\x15\x03\x03\x00\x02\x02\x28", "TLS"),
            (b"-ERR unknown command\r\n", "RESP"),
            (b"ERROR\r\n", "memcached"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
            (bytes(range(100, 132)), "something else"),
        ):
            session = samovar.Session(lambda _: None)
            session.receive(start)
            self.assertIsInstance(session.failure, samovar.NotSamovar)
            self.assertIn(word, str(session.failure))


if __name__ == "__main__":
    unittest.main()
