# SPDX-License-Identifier: Apache-2.0
"""The server's side of Protocol.md, as strict as the document: what the client's tests are judged by.

It reads what clients send into the terms of the vectors, refuses in the order of §3.5, and writes servers' frames. It
shares no code with the client.
"""

import json
import struct
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, Union

MAGIC = b"\xc5SMV\r\n\x1a\n"
OPCODES = {
    "HELLO": 0x01, "PING": 0x02, "PONG": 0x03, "ASK": 0x10, "ASK_DIGEST": 0x11, "CANCEL": 0x12, "WINDOW": 0x13,
    "PUT": 0x20, "INVALIDATE": 0x21, "WARM": 0x22, "STATS": 0x23, "HELLO_REPLY": 0x81, "GOAWAY": 0x84, "ANSWER": 0x90,
    "DATA": 0x91, "BODY_NEEDED": 0x92, "DONE": 0xA0, "ERROR": 0xFF,
}  # fmt: skip
NAMES = {number: name for name, number in OPCODES.items()}
FLAGS = {"END": 1, "EVENT_END": 2}
KINDS = {1: "chat", 2: "completions", 3: "embeddings", 4: "models"}
OPTIONS = ["NO_CACHE", "NO_STORE", "ONLY_IF_CACHED", "HAS_MAX_AGE", "HAS_MAX_STALE", "SHOW_TENANT", "EVENTS"]
FEATURES = {"DIGEST": 1, "EVENTS": 2, "ADMIN": 4}
RESULTS = ["", "L1_HIT", "L2_HIT", "COALESCED", "MISS", "STALE", "FALLBACK", "BYPASS"]
OUTCOMES = ["", "STORED", "CACHED", "NOT_STORED", "INVALIDATED"]
TARGETS = {1: "body", 2: "namespace", 3: "model", 4: "tenant"}
KEYED = {"openai-organization": 16, "openai-project": 17, "openai-beta": 18, "anthropic-version": 19,
         "anthropic-beta": 20}  # fmt: skip
FIELDS = {"AUTHORIZATION": 1, "ADMIN_TOKEN": 2, "ACCESS_TOKEN": 3, "SOFTWARE": 4, **KEYED, "BODY_DIGEST": 24,
          "TENANT": 32, "MODEL": 33}  # fmt: skip
FIELD_NAMES = {number: name for name, number in FIELDS.items()}
FIELDS_OF = {
    "HELLO": {1, 2, 3, 4},
    "ASK": {16, 17, 18, 19, 20, 24},
    "WARM": {16, 17, 18, 19, 20, 24},
    "ASK_DIGEST": {16, 17, 18, 19, 20},
    "PUT": {16, 17, 18, 19, 20},
    "INVALIDATE": {16, 17, 18, 19, 20},
}
LEAST = {"HELLO": 16, "ASK": 16, "ASK_DIGEST": 48, "PUT": 16, "INVALIDATE": 8, "WARM": 16, "STATS": 0}
EXACT = {"PING": 8, "PONG": 8, "CANCEL": 0, "WINDOW": 4}


class Refusal(Exception):
    """A frame that a server must refuse."""

    def __init__(self, error: str, scope: str, id: int, why: str = "") -> None:
        super().__init__(f"{error} ({scope}, id {id}): {why}")
        self.error, self.scope, self.id = error, scope, id


class Referee:
    """Reads one client's bytes. After a refusal of the connection nothing more is read."""

    def __init__(self, admin: bool = True, frame_size_max: int = 8454144, metadata_size_max: int = 16384,
                 inflight_max: int = 256, features: int = 3) -> None:  # fmt: skip
        self.buffer = b""
        self.magic = False
        self.hello: Optional[Dict[str, Any]] = None
        self.inflight: Set[int] = set()
        self.ids: List[int] = []
        self.admin = admin
        self.features = features
        self.frame_size_max, self.metadata_size_max, self.inflight_max = frame_size_max, metadata_size_max, inflight_max

    def greeted(self) -> "Referee":
        """As after magic and a HELLO that was accepted."""
        self.magic, self.hello = True, {"features": ["DIGEST", "EVENTS"]}
        return self

    def read(self, data: bytes) -> Iterator[Union[Dict[str, Any], Refusal]]:
        self.buffer += data
        if not self.magic:
            if not MAGIC.startswith(self.buffer[:8]):
                raise Refusal("MAGIC", "connection", 0, repr(self.buffer[:16]))
            if len(self.buffer) < 8:
                return
            self.magic, self.buffer = True, self.buffer[8:]
        while len(self.buffer) >= 16:
            length, version, number, flags, id = struct.unpack_from("<IBBHQ", self.buffer)
            self._length(length)
            if len(self.buffer) < 16 + length:
                # What the header shows is refused before the payload is there; so are vectors of headers alone.
                return
            payload, self.buffer = self.buffer[16 : 16 + length], self.buffer[16 + length :]
            try:
                yield self._frame(version, number, flags, id, payload)
            except Refusal as refusal:
                if refusal.scope == "connection":
                    raise
                yield refusal

    def _length(self, length: int) -> None:
        most = self.frame_size_max if self.hello else 16 + self.metadata_size_max
        if length > most:
            raise Refusal("FRAME_TOO_LARGE", "connection", 0, f"{length} bytes")

    def _frame(self, version: int, number: int, flags: int, id: int, payload: bytes) -> Dict[str, Any]:
        name = NAMES.get(number, "")
        if self.hello is None:
            if name != "HELLO" or version != 1:
                raise Refusal("HELLO_EXPECTED", "connection", 0)
        elif version != 1:
            if id == 0 or name == "HELLO" or name in EXACT:
                raise Refusal("MALFORMED_FRAME", "connection", 0, "version")
            if id in self.inflight:
                raise Refusal("DUPLICATE_ID", "request", id)
            raise Refusal("UNKNOWN_VERSION", "request", id)
        message = {"opcode": name, "version": version, "flags": [], "id": id, "from": "client"}
        if name == "HELLO":
            if self.hello is not None:
                raise Refusal("HELLO_REPEATED", "connection", 0)
            if flags or id or len(payload) < 16:
                raise Refusal("MALFORMED_FRAME", "connection", 0)
            self.hello = {**message, **self._hello(payload)}
            return self.hello
        if name in EXACT:
            if flags or len(payload) != EXACT[name] or (id == 0) != (name in ("PING", "PONG")):
                raise Refusal("MALFORMED_FRAME", "connection", 0, name)
            return {**message, **self._control(name, payload)}
        if id == 0:
            raise Refusal("MALFORMED_FRAME", "connection", 0, "a request without an id")
        if id in self.inflight:
            raise Refusal("DUPLICATE_ID", "request", id)
        if name not in LEAST:
            raise Refusal("UNKNOWN_OPCODE", "request", id)
        if flags or len(payload) < LEAST[name] or (name == "STATS" and payload):
            raise Refusal("MALFORMED", "request", id, "flags or length")
        if len(self.inflight) >= self.inflight_max:
            raise Refusal("INFLIGHT_MAX", "request", id)
        if name in ("PUT", "INVALIDATE", "WARM", "STATS") and not self.admin:
            raise Refusal("FORBIDDEN", "request", id)
        if name == "ASK_DIGEST" and not (self.features & 1 and "DIGEST" in self.hello["features"]):
            raise Refusal("FEATURE_NOT_AGREED", "request", id)
        message.update(getattr(self, "_" + name.lower())(id, payload))
        self.inflight.add(id)
        self.ids.append(id)
        return message

    def _hello(self, payload: bytes) -> Dict[str, Any]:
        least, most, size, features, window, reserved = struct.unpack_from("<BBHIII", payload)

        def malformed(why: str) -> Refusal:
            return Refusal("MALFORMED_FRAME", "connection", 0, why)

        if not 1 <= least <= most or reserved or (window and window < 1024):
            raise malformed("versions, window or reserved")
        if 16 + size != len(payload):
            raise malformed("its length")
        try:
            metadata = self._metadata("HELLO", 0, payload[16:], {})
        except Refusal as refusal:
            raise malformed(str(refusal)) from None
        if least > 1:
            raise Refusal("NO_COMMON_VERSION", "connection", 0)
        names = [name for name, bit in FEATURES.items() if features & bit]
        return {"version_min": least, "version_max": most, "features": names, "window": window, "metadata": metadata}

    def _control(self, name: str, payload: bytes) -> Dict[str, Any]:
        if name == "WINDOW":
            credit = struct.unpack("<I", payload)[0]
            if credit == 0:
                raise Refusal("MALFORMED_FRAME", "connection", 0, "no credit")
            return {"credit": credit}
        return {"cookie": payload.hex()} if payload else {}

    def _metadata(self, name: str, id: int, section: bytes, found: Dict[str, str]) -> Dict[str, str]:
        at, last, count = 0, -1, 0
        if len(section) > self.metadata_size_max:
            raise Refusal("METADATA_TOO_LARGE", "request", id)
        while at < len(section):
            if at + 3 > len(section):
                raise Refusal("MALFORMED", "request", id, "a field cut off")
            type, size = struct.unpack_from("<BH", section, at)
            value = section[at + 3 : at + 3 + size]
            if len(value) != size or type <= last:
                raise Refusal("MALFORMED", "request", id, "a field's size or order")
            count += 1
            if count > 10:
                raise Refusal("METADATA_TOO_LARGE", "request", id)
            at, last = at + 3 + size, type
            if type not in FIELD_NAMES:
                if type < 128:
                    raise Refusal("UNKNOWN_FIELD", "request", id)
                continue
            if type not in FIELDS_OF[name] or not self._good_value(type, value):
                raise Refusal("MALFORMED", "request", id, FIELD_NAMES[type])
            found[FIELD_NAMES[type]] = value.hex() if type == 24 else value.decode("ascii")
        return found

    @staticmethod
    def _good_value(type: int, value: bytes) -> bool:
        if type == 24:
            return len(value) == 32
        if type == 4 and len(value) > 64:
            return False
        return all(byte == 9 or 0x20 <= byte <= 0x7E for byte in value) and value == value.strip(b" \t")

    def _split(self, name: str, id: int, payload: bytes, fixed: int) -> Tuple[Dict[str, str], bytes]:
        size = struct.unpack_from("<H", payload, 2)[0]
        if fixed + size > len(payload):
            raise Refusal("MALFORMED", "request", id, "metadata beyond its payload")
        return self._metadata(name, id, payload[fixed : fixed + size], {}), payload[fixed + size :]

    def _kind(self, id: int, number: int) -> str:
        if number not in KINDS:
            raise Refusal("UNKNOWN_KIND", "request", id)
        return KINDS[number]

    def _question(self, name: str, id: int, payload: bytes) -> Tuple[Dict[str, Any], bytes]:
        number, options, _, deadline, max_age, max_stale = struct.unpack_from("<BBHIII", payload)
        kind = self._kind(id, number)
        if options & 0x80 or (max_age and not options & 8) or (max_stale and not options & 0x10):
            raise Refusal("MALFORMED", "request", id, "options")
        metadata, rest = self._split(name, id, payload, 16)
        if options & 0x40 and name != "WARM" and not self.features & 2:
            raise Refusal("FEATURE_NOT_AGREED", "request", id)
        names = [option for bit, option in enumerate(OPTIONS) if options & 1 << bit]
        return {"kind": kind, "options": names, "deadline_ms": deadline, "max_age": max_age, "max_stale": max_stale,
                "metadata": metadata}, rest  # fmt: skip

    def _ask(self, id: int, payload: bytes, name: str = "ASK") -> Dict[str, Any]:
        message, body = self._question(name, id, payload)
        if message["kind"] == "models" and body:
            raise Refusal("MALFORMED", "request", id, "a body for models")
        if name == "WARM" and set(message["options"]) - {"NO_CACHE", "HAS_MAX_AGE", "SHOW_TENANT"}:
            raise Refusal("MALFORMED", "request", id, "an option that WARM has not")
        return {**message, "body": body}

    def _warm(self, id: int, payload: bytes) -> Dict[str, Any]:
        return self._ask(id, payload, "WARM")

    def _ask_digest(self, id: int, payload: bytes) -> Dict[str, Any]:
        message, digest = self._question("ASK_DIGEST", id, payload)
        if message["kind"] == "models" or len(digest) != 32:
            raise Refusal("MALFORMED", "request", id, "the digest")
        return {**message, "digest": digest.hex()}

    def _put(self, id: int, payload: bytes) -> Dict[str, Any]:
        number, form, _, ttl, size, reserved = struct.unpack_from("<BBHIII", payload)
        kind = self._kind(id, number)
        if form not in (1, 2) or reserved or (form == 2 and kind not in ("chat", "completions")):
            raise Refusal("MALFORMED", "request", id, "form or reserved")
        metadata, rest = self._split("PUT", id, payload, 16)
        if size > len(rest) or (kind == "models" and size):
            raise Refusal("MALFORMED", "request", id, "body length")
        return {"kind": kind, "form": ["", "body", "stream"][form], "ttl": ttl, "metadata": metadata,
                "body": rest[:size], "answer": rest[size:]}  # fmt: skip

    def _invalidate(self, id: int, payload: bytes) -> Dict[str, Any]:
        target, number, size, reserved = struct.unpack_from("<BBHI", payload)
        if target not in TARGETS or reserved or (target != 1 and (number or size)):
            raise Refusal("MALFORMED", "request", id, "target, kind, metadata or reserved")
        kind = self._kind(id, number) if target == 1 else None
        metadata, what = self._split("INVALIDATE", id, payload, 8)
        message = {"target": TARGETS[target], "kind": kind, "metadata": metadata}
        if target == 1:
            if kind == "models" and what:
                raise Refusal("MALFORMED", "request", id, "a body for models")
            return {**message, "what": what}
        least, most = {2: (1, 256), 3: (1, 512), 4: (0, 256)}[target]
        try:
            what.decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal("MALFORMED", "request", id, "text") from None
        if not least <= len(what) <= most:
            raise Refusal("MALFORMED", "request", id, "its length")
        return {**message, "what": what}

    def _stats(self, id: int, payload: bytes) -> Dict[str, Any]:
        return {}


# What servers send


def frame(name: str, id: int, payload: bytes = b"", *flags: str, version: int = 1) -> bytes:
    bits = sum(FLAGS[flag] for flag in flags)
    return struct.pack("<IBBHQ", len(payload), version, OPCODES[name], bits, id) + payload


def _fields(metadata: Dict[str, str]) -> bytes:
    values = sorted((FIELDS[name], value.encode("utf-8")) for name, value in metadata.items())
    return b"".join(struct.pack("<BH", type, len(value)) + value for type, value in values)


def hello_reply(features: int = 3, frame_size_max: int = 8454144, inflight_max: int = 256, window: int = 65536,
                chunk_size: int = 16384, idle_timeout_ms: int = 60000, metadata_size_max: int = 16384,
                metadata: Optional[Dict[str, str]] = None, version: int = 1) -> bytes:  # fmt: skip
    section = _fields(metadata or {})
    fixed = struct.pack("<BBHIIIIIII", version, 0, len(section), features, frame_size_max, inflight_max, window,
                        chunk_size, idle_timeout_ms, metadata_size_max)  # fmt: skip
    return frame("HELLO_REPLY", 0, fixed + section)


def answer(id: int, data: bytes = b"", *flags: str, result: str = "MISS", stream: bool = False,
           age: Optional[int] = None, remaining: Optional[int] = None, total: Optional[int] = None,
           stored: Optional[bool] = None, metadata: Optional[Dict[str, str]] = None) -> bytes:  # fmt: skip
    facts = (stream * 1 | (age is not None) * 2 | (remaining is not None) * 4 | (total is not None) * 8
             | (stored is not None) * 16 | bool(stored) * 32)  # fmt: skip
    section = _fields(metadata or {})
    fixed = struct.pack("<BBHIiI", RESULTS.index(result), facts, len(section), age or 0, remaining or 0, total or 0)
    return frame("ANSWER", id, fixed + section + data, *flags)


def data(id: int, data: bytes = b"", *flags: str) -> bytes:
    return frame("DATA", id, data, *flags)


def done(id: int, outcome: str, count: int = 0, metadata: Optional[Dict[str, str]] = None) -> bytes:
    section = _fields(metadata or {})
    fixed = struct.pack("<BBHIQ", OUTCOMES.index(outcome), 0, len(section), 0, count)
    return frame("DONE", id, fixed + section, "END")


def error(id: int, code: int, status: int, message: str = "x", retryable: bool = False,
          retry_after_ms: Optional[int] = None, upstream_status: int = 0, body: Optional[bytes] = None) -> bytes:  # fmt: skip
    if body is None:
        body = json.dumps({"error": {"message": message, "type": "t", "param": None, "code": "c"}}).encode()
    facts = retryable | (retry_after_ms is not None) << 1
    fixed = struct.pack("<HHHHII", code, status, facts, upstream_status, retry_after_ms or 0, 0)
    return frame("ERROR", id, fixed + body, *(() if id == 0 or code == 20 else ("END",)))


def go_away(reason: int = 1, grace_ms: int = 1000) -> bytes:
    return frame("GOAWAY", 0, struct.pack("<BBHI", reason, 0, 0, grace_ms))
