# SPDX-License-Identifier: Apache-2.0
"""A client for Samovar's binary protocol, sync and asyncio, of the standard library alone.

    with samovar.Client("127.0.0.1:7601") as client:
        answer = client.ask({"model": "deepseek-chat", "messages": [{"role": "user", "content": "hello"}]})
        print(answer.result.name, answer.json()["choices"][0]["message"]["content"])

        for event in client.stream({"model": "deepseek-chat", "messages": [...]}, events=True):
            print(event.data)

One client is one connection, used by any number of threads (`Client`) or tasks (`AsyncClient`) at once.

The file in reading order: what can go wrong (errors), how it is written (encoding, decoding), what is decided
(`Session`, which knows no socket and no clock), what touches the world (`_Connection`), and the two clients. References
like §8.2 are to Samovar's Protocol.md.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import concurrent.futures
import copy
import enum
import hashlib
import json
import math
import os
import random
import ssl
import struct
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any, AsyncIterator, Awaitable, Callable, Deque, Dict, Iterator, List, Mapping, Optional, Tuple, TypeVar, Union

__all__ = [
    "Answer", "AnswerCut", "AsyncClient", "AsyncStream", "Cancelled", "Client", "ClientClosed", "ConnectFailed",
    "ConnectionLost", "DeadlineExceeded", "Done", "Draining", "Event", "Forbidden", "Head", "HelloReply",
    "InvalidRequest", "NotCached", "NotSamovar", "NotStorable", "Outcome", "ProtocolError", "Result", "SamovarError",
    "Stream", "Unauthenticated", "Unavailable", "UpstreamFailed",
]

__version__ = "0.1.0"

Body = Union[bytes, bytearray, memoryview, str, Mapping[str, Any], None]
"""A request's JSON: bytes and text go as they are, a mapping is written as JSON, None is no body (kind "models")."""


# ---------------------------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------------------------


class SamovarError(Exception):
    """Why there is no answer. Every error has these attributes; what is not known is None.

    `code` and `name`: of §11. `status`: what HTTP would have said. `upstream_status`: what the provider said.
    `retryable`: the same request may succeed if it is sent again, not before `retry_after` seconds. `error_code` and
    `error_type`: of the JSON error in `body`. `partial`: the bytes of an answer that broke off.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.code: Optional[int] = None
        self.name: Optional[str] = None
        self.status: Optional[int] = None
        self.upstream_status: Optional[int] = None
        self.retryable = False
        self.retry_after: Optional[float] = None
        self.error_code: Optional[str] = None
        self.error_type: Optional[str] = None
        self.body = b""
        self.partial = b""


class ConnectionLost(SamovarError, ConnectionError):
    """The connection ended before the reply did. What was asked may be asked again (§10.7)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.retryable = True


class ConnectFailed(ConnectionLost):
    """No connection: nothing listens there, or it did not greet in time."""


class ClientClosed(SamovarError):
    """`close` was called."""


class NotSamovar(SamovarError):
    """Something listens there, and it does not speak Samovar's binary protocol (§2.1)."""


class ProtocolError(SamovarError):
    """The server broke a rule of the protocol: nothing on that connection can be believed (§3.7)."""


class AnswerCut(SamovarError):
    """The answer ended with another number of bytes than it began by promising (§7.1)."""


class Unauthenticated(SamovarError):
    """A token is wrong, or missing where one is needed."""


class Forbidden(SamovarError):
    """put, invalidate, warm and stats need the admin token."""


class InvalidRequest(SamovarError):
    """The request itself is wrong: sending it again does not help."""


class NotCached(SamovarError):
    """only_if_cached, and nothing usable is stored."""


class DeadlineExceeded(SamovarError, TimeoutError):
    """The request's own deadline has passed, as the server or this client counts it."""


class Cancelled(SamovarError):
    """The request was cancelled."""


class Unavailable(SamovarError):
    """A limit of the server, or its end: try again later."""


class Draining(Unavailable):
    """The server stops, or wants a new connection."""


class NotStorable(SamovarError):
    """put: the answer is not complete, or not to be stored; the message says why."""


class UpstreamFailed(SamovarError):
    """The provider failed or refused; `upstream_status` is what it said, where it said something."""


CODES: Dict[int, Tuple[str, int, type]] = {
    1: ("NO_COMMON_VERSION", 400, SamovarError),
    2: ("UNAUTHENTICATED", 401, Unauthenticated),
    3: ("HELLO_EXPECTED", 400, SamovarError),
    4: ("HELLO_REPEATED", 400, SamovarError),
    5: ("FRAME_TOO_LARGE", 413, SamovarError),
    6: ("MALFORMED_FRAME", 400, SamovarError),
    7: ("TOO_SLOW", 408, Unavailable),
    8: ("CONNECTIONS_MAX", 503, Unavailable),
    20: ("DUPLICATE_ID", 400, InvalidRequest),
    21: ("UNKNOWN_VERSION", 400, InvalidRequest),
    22: ("UNKNOWN_OPCODE", 400, InvalidRequest),
    23: ("MALFORMED", 400, InvalidRequest),
    24: ("METADATA_TOO_LARGE", 431, InvalidRequest),
    25: ("UNKNOWN_FIELD", 400, InvalidRequest),
    26: ("UNKNOWN_KIND", 400, InvalidRequest),
    27: ("FEATURE_NOT_AGREED", 400, InvalidRequest),
    28: ("FORBIDDEN", 403, Forbidden),
    29: ("INFLIGHT_MAX", 503, Unavailable),
    30: ("BODY_TOO_LARGE", 413, InvalidRequest),
    31: ("DIGEST_MISMATCH", 400, InvalidRequest),
    40: ("INVALID_REQUEST", 400, InvalidRequest),
    41: ("NO_ROUTE", 404, InvalidRequest),
    42: ("NOT_CACHED", 504, NotCached),
    43: ("DEADLINE", 504, DeadlineExceeded),
    44: ("CANCELLED", 499, Cancelled),
    45: ("LIMITED", 503, Unavailable),
    46: ("LAGGED", 503, Unavailable),
    47: ("DRAINING", 503, Draining),
    48: ("NOT_STORABLE", 422, NotStorable),
    49: ("INTERNAL", 500, SamovarError),
    60: ("UPSTREAM_REFUSED", 0, UpstreamFailed),
    61: ("UPSTREAM_ERROR", 502, UpstreamFailed),
    62: ("UPSTREAM_UNREACHABLE", 502, UpstreamFailed),
    63: ("UPSTREAM_TIMEOUT", 504, UpstreamFailed),
    64: ("UPSTREAM_CUT", 502, UpstreamFailed),
    65: ("UPSTREAM_MALFORMED", 502, UpstreamFailed),
    66: ("UPSTREAM_TOO_LARGE", 502, UpstreamFailed),
}
DUPLICATE_ID = 20


def _refused_here(code: int, message: str) -> SamovarError:
    """What the server would have said, said before sending: so there is one error to catch, not two."""
    name, status, kind = CODES[code]
    error: SamovarError = kind(message)
    error.code, error.name, error.status = code, name, status
    return error


# ---------------------------------------------------------------------------------------------------------------------
# Encoding: what the client sends
# ---------------------------------------------------------------------------------------------------------------------

MAGIC = bytes([0xC5, 0x53, 0x4D, 0x56, 0x0D, 0x0A, 0x1A, 0x0A])
VERSION = 1
PORT = 7601
HEADER = struct.Struct("<IBBHQ")  # length, version, opcode, flags, id

HELLO, PING, PONG = 0x01, 0x02, 0x03
ASK, ASK_DIGEST, CANCEL, WINDOW = 0x10, 0x11, 0x12, 0x13
PUT, INVALIDATE, WARM, STATS = 0x20, 0x21, 0x22, 0x23
HELLO_REPLY, GOAWAY, ANSWER, DATA, BODY_NEEDED, DONE, ERROR = 0x81, 0x84, 0x90, 0x91, 0x92, 0xA0, 0xFF

END, EVENT_END = 0x0001, 0x0002
DIGEST, EVENTS, ADMIN = 0x1, 0x2, 0x4

NO_CACHE, NO_STORE, ONLY_IF_CACHED, HAS_MAX_AGE = 0x01, 0x02, 0x04, 0x08
HAS_MAX_STALE, SHOW_TENANT, OPTION_EVENTS = 0x10, 0x20, 0x40
MAX_STALE_ANY = 0xFFFFFFFF
U32_MAX = 0xFFFFFFFF
CREDIT_MAX = (1 << 31) - 1

AUTHORIZATION, ADMIN_TOKEN, ACCESS_TOKEN, SOFTWARE = 1, 2, 3, 4
BODY_DIGEST, TENANT, MODEL = 24, 32, 33
KEYED_HEADERS = {
    "openai-organization": 16,
    "openai-project": 17,
    "openai-beta": 18,
    "anthropic-version": 19,
    "anthropic-beta": 20,
}
FIELD_COUNT_MAX = 10
SOFTWARE_SIZE_MAX = 64
SECTION_SIZE_MAX = 0xFFFF  # a section's length is a u16

KINDS = {"chat": 1, "completions": 2, "embeddings": 3, "models": 4}
FORMS = {"body": 1, "stream": 2}
TARGETS = {"body": 1, "namespace": 2, "model": 3, "tenant": 4}
_WHAT_SIZES = {"namespace": (1, 256), "model": (1, 512), "tenant": (0, 256)}


def frame(opcode: int, id: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """16 bytes of header and the payload (§3.1)."""
    return HEADER.pack(len(payload), VERSION, opcode, flags, id) + payload


def field_text(name: str, value: str) -> bytes:
    """What may stand in an HTTP header: printable ASCII and tab, no white space at its ends (§1.4)."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not all(character == "\t" or " " <= character <= "~" for character in value):
        raise ValueError(f"{name} may have printable ASCII characters and tabs only")
    if value != value.strip(" \t"):
        raise ValueError(f"{name} may not begin or end with a space or tab")
    return value.encode("ascii")


def metadata(fields: Mapping[int, bytes]) -> bytes:
    """The section of these fields, in ascending order of their types (§4)."""
    size = sum(3 + len(value) for value in fields.values())
    if size > SECTION_SIZE_MAX or len(fields) > FIELD_COUNT_MAX:
        raise _refused_here(24, f"{size} bytes of headers and tokens in {len(fields)} fields are too many")
    return b"".join(struct.pack("<BH", type, len(fields[type])) + fields[type] for type in sorted(fields))


def _keyed_fields(headers: Optional[Mapping[str, str]]) -> Dict[int, bytes]:
    fields = {}
    for name, value in (headers or {}).items():
        type = KEYED_HEADERS.get(name.lower())
        if type is None:
            raise ValueError(f"header {name!r} is not one that goes upstream: {', '.join(KEYED_HEADERS)}")
        if type in fields:
            raise ValueError(f"header {name!r} is given twice")
        fields[type] = field_text(name, value)
    return fields


def _of(table: Mapping[str, int], what: str, name: str) -> int:
    if name not in table:
        raise ValueError(f"{what} {name!r} is none of {', '.join(table)}")
    return table[name]


def _u32(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= U32_MAX:
        raise ValueError(f"{name} must be a whole number from 0 to {U32_MAX}, not {value!r}")
    return value


def _body_of(kind: str, body: bytes) -> bytes:
    if kind == "models" and body:
        raise ValueError('kind "models" has no body')
    return body


def encode_hello(features: int, window: int, fields: Mapping[int, bytes]) -> bytes:
    """HELLO (§5.1), magic not included."""
    if window != 0 and not 1024 <= window <= U32_MAX:
        raise ValueError(f"window must be 0 (as the server likes) or from 1,024 to {U32_MAX} bytes, not {window}")
    if len(fields.get(SOFTWARE, b"")) > SOFTWARE_SIZE_MAX:
        raise ValueError(f"software may have {SOFTWARE_SIZE_MAX} bytes")
    section = metadata(fields)
    return frame(HELLO, 0, struct.pack("<BBHIII", VERSION, VERSION, len(section), features, window, 0) + section)


@dataclass(frozen=True)
class Question:
    """What ASK, ASK_DIGEST and WARM say (§6.2). Immutable, so that it can be sent again."""

    kind: str = "chat"
    body: bytes = b""
    options: int = 0
    max_age: int = 0
    max_stale: int = 0
    fields: Tuple[Tuple[int, bytes], ...] = ()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.body).digest()

    def encode(self, opcode: int, id: int, deadline_ms: int = 0, with_digest: bool = False) -> bytes:
        fields = dict(self.fields)
        tail = _body_of(self.kind, self.body)
        if opcode == ASK_DIGEST:
            if self.kind == "models":
                raise ValueError('kind "models" has no body, so no digest')
            tail = self.digest
        elif with_digest:
            fields[BODY_DIGEST] = self.digest
        if opcode == WARM and self.options & ~(NO_CACHE | HAS_MAX_AGE | SHOW_TENANT):
            raise ValueError("warm takes no_cache, max_age and show_tenant, no other cache control")
        section = metadata(fields)
        fixed = struct.pack(
            "<BBHIII",
            _of(KINDS, "kind", self.kind), self.options, len(section),
            _u32("deadline_ms", deadline_ms), self.max_age, self.max_stale,
        )  # fmt: skip
        return frame(opcode, id, b"".join((fixed, section, tail)))


def question(
    body: Body,
    kind: str = "chat",
    headers: Optional[Mapping[str, str]] = None,
    no_cache: bool = False,
    no_store: bool = False,
    only_if_cached: bool = False,
    max_age: Optional[int] = None,
    max_stale: Union[int, float, None] = None,
    show_tenant: bool = False,
    events: bool = False,
) -> Question:
    """A question from what users write; ValueError names what is wrong with it."""
    _of(KINDS, "kind", kind)
    options = 0
    for wanted, bit in (
        (no_cache, NO_CACHE), (no_store, NO_STORE), (only_if_cached, ONLY_IF_CACHED), (max_age is not None, HAS_MAX_AGE),
        (max_stale is not None, HAS_MAX_STALE), (show_tenant, SHOW_TENANT), (events, OPTION_EVENTS),
    ):  # fmt: skip
        options |= bit if wanted else 0
    if max_stale is not None and max_stale == math.inf:
        max_stale = MAX_STALE_ANY
    return Question(
        kind=kind,
        body=_body_of(kind, to_bytes(body)),
        options=options,
        max_age=_u32("max_age", max_age) if max_age is not None else 0,
        max_stale=_u32("max_stale", max_stale) if max_stale is not None else 0,  # type: ignore[arg-type]
        fields=tuple(_keyed_fields(headers).items()),
    )


def to_bytes(body: Body) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode("utf-8")
    if isinstance(body, Mapping):
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return bytes(body)


def encode_put(
    id: int, kind: str, form: str, ttl: int, fields: Mapping[int, bytes], body: bytes, answer: bytes
) -> bytes:
    """PUT (§9.1)."""
    if form == "stream" and kind not in ("chat", "completions"):
        raise ValueError(f"there is no stream of {kind}")
    section = metadata(fields)
    fixed = struct.pack(
        "<BBHIII",
        _of(KINDS, "kind", kind), _of(FORMS, "form", form), len(section),
        _u32("ttl", ttl), len(_body_of(kind, body)), 0,
    )  # fmt: skip
    return frame(PUT, id, b"".join((fixed, section, body, answer)))


def encode_invalidate(id: int, target: str, kind: Optional[str], fields: Mapping[int, bytes], what: bytes) -> bytes:
    """INVALIDATE (§9.2)."""
    code = _of(TARGETS, "target", target)
    if target == "body":
        if kind is None:
            raise ValueError("a body is invalidated with its kind")
        _body_of(kind, what)
    else:
        if kind is not None or fields:
            raise ValueError("kind and headers are for a body only")
        least, most = _WHAT_SIZES[target]
        if not least <= len(what) <= most:
            raise ValueError(f"a {target} has {least} to {most} bytes, not {len(what)}")
        what.decode("utf-8")
    section = metadata(fields)
    number = _of(KINDS, "kind", kind) if kind is not None else 0
    return frame(INVALIDATE, id, struct.pack("<BBHI", code, number, len(section), 0) + section + what)


def encode_window(id: int, credit: int) -> bytes:
    """WINDOW (§8.2)."""
    if not 1 <= credit <= U32_MAX:
        raise ValueError(f"a credit of {credit} bytes")
    return frame(WINDOW, id, struct.pack("<I", credit))


def encode_ping(cookie: bytes, opcode: int = PING) -> bytes:
    """PING or PONG (§10.1)."""
    if len(cookie) != 8:
        raise ValueError("a PING has 8 bytes")
    return frame(opcode, 0, cookie)


# ---------------------------------------------------------------------------------------------------------------------
# Decoding: what the server sends
# ---------------------------------------------------------------------------------------------------------------------


class Result(enum.IntEnum):
    """Where an answer came from (§7.1)."""

    L1_HIT = 1
    L2_HIT = 2
    COALESCED = 3
    MISS = 4
    STALE = 5
    FALLBACK = 6
    BYPASS = 7


class Outcome(enum.IntEnum):
    """What an operation did (§9.5)."""

    STORED = 1
    CACHED = 2
    NOT_STORED = 3
    INVALIDATED = 4


@dataclass(frozen=True)
class HelloReply:
    """What holds on this connection (§5.3); sizes in bytes."""

    version: int
    features: int
    frame_size_max: int
    inflight_max: int
    window: int
    chunk_size: int
    idle_timeout_ms: int
    metadata_size_max: int
    software: Optional[str] = None

    @property
    def is_admin(self) -> bool:
        return bool(self.features & ADMIN)


@dataclass(frozen=True)
class Head:
    """What is known of an answer before its bytes (§7.1).

    `age`: seconds since it was made. `remaining`: seconds it is still fresh, negative when it no longer is. `total`: its
    bytes. `stored`: whether it is kept, None while that is not decided. `tenant`: only where show_tenant asked for it.
    `model`: who made a FALLBACK's answer. `is_stream`: the bytes are a stream of events, not one JSON body.
    """

    result: Result
    is_stream: bool
    age: Optional[int]
    remaining: Optional[int]
    total: Optional[int]
    stored: Optional[bool]
    tenant: Optional[str]
    model: Optional[str]

    @property
    def hit(self) -> bool:
        return self.result in (Result.L1_HIT, Result.L2_HIT)


@dataclass(frozen=True)
class Answer(Head):
    """A whole answer."""

    body: bytes

    def __bytes__(self) -> bytes:
        return self.body

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Done:
    """What put, warm and invalidate came to. `count`: what was stored, or removed from the server's memory."""

    outcome: Outcome
    count: int
    tenant: Optional[str] = None


@dataclass(frozen=True)
class Piece:
    """Bytes of an answer, in one frame; `head` with the first."""

    data: bytes
    event_end: bool
    end: bool
    head: Optional[Head] = None


@dataclass(frozen=True)
class GoAway:
    """The end of the connection is near (§10.4)."""

    reason: int
    grace_ms: int


class Event(bytes):
    """One event of a stream, its bytes as they came, blank line included."""

    @property
    def data(self) -> str:
        """Its `data:` lines, joined."""
        values = []
        for line in self.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if line.startswith("data:"):
                values.append(line[6:] if line.startswith("data: ") else line[5:])
        return "\n".join(values)

    @property
    def is_done(self) -> bool:
        """`data: [DONE]`, by which OpenAI's streams end."""
        return self.data == "[DONE]"

    def json(self) -> Any:
        return json.loads(self.data)


def _broken(rule: str) -> ProtocolError:
    return ProtocolError(f"the server broke the protocol: {rule}")


def _section(payload: bytes, at: int, size: int, allowed: Tuple[int, ...]) -> Dict[int, bytes]:
    """The fields at `at`; unknown ones of 128 and more are skipped (§4)."""
    end = at + size
    if end > len(payload):
        raise _broken("metadata longer than its frame")
    fields: Dict[int, bytes] = {}
    last, count = -1, 0
    while at < end:
        if end - at < 3:
            raise _broken("a metadata field cut off")
        type, length = struct.unpack_from("<BH", payload, at)
        at += 3
        if length > end - at:
            raise _broken("a metadata field longer than its section")
        if type <= last:
            raise _broken("metadata fields out of order")
        count += 1
        if count > FIELD_COUNT_MAX:
            raise _broken("more than 10 metadata fields")
        if type in allowed:
            fields[type] = payload[at : at + length]
        elif type < 128:
            raise _broken(f"metadata field {type} where it does not belong")
        last = type
        at += length
    return fields


def _text(fields: Mapping[int, bytes], type: int) -> Optional[str]:
    if type not in fields:
        return None
    try:
        return fields[type].decode("utf-8")
    except UnicodeDecodeError:
        raise _broken(f"metadata field {type} is not UTF-8") from None


def decode_hello_reply(payload: bytes) -> HelloReply:
    if len(payload) < 32:
        raise _broken("a short HELLO_REPLY")
    version, zero, size, features, frame_size_max, inflight_max = struct.unpack_from("<BBHIII", payload)
    window, chunk_size, idle_timeout_ms, metadata_size_max = struct.unpack_from("<IIII", payload, 16)
    if zero:
        raise _broken("a reserved field of HELLO_REPLY is set")
    fields = _section(payload, 32, size, (SOFTWARE,))
    if 32 + size != len(payload):
        raise _broken("bytes after HELLO_REPLY")
    software = _text(fields, SOFTWARE)
    if software is not None:
        try:
            good = len(field_text("software", software)) <= SOFTWARE_SIZE_MAX
        except ValueError:
            good = False
        if not good:
            raise _broken("the name of its software is no field text of 64 bytes")
    return HelloReply(version, features, frame_size_max, inflight_max, window, chunk_size, idle_timeout_ms,
                      metadata_size_max, software)  # fmt: skip


def decode_answer(payload: bytes, flags: int) -> Piece:
    if len(payload) < 16:
        raise _broken("a short ANSWER")
    result, facts, size, age, remaining, total = struct.unpack_from("<BBHIiI", payload)
    if not 1 <= result <= 7:
        raise _broken(f"result {result}")
    if facts & 0xC0:
        raise _broken("a reserved fact of ANSWER is set")
    if facts & 0x20 and not facts & 0x10:
        raise _broken("STORED without STORED_KNOWN")
    for bit, value in ((0x02, age), (0x04, remaining), (0x08, total)):
        if value and not facts & bit:
            raise _broken("a field of ANSWER that its facts declare absent")
    fields = _section(payload, 16, size, (TENANT, MODEL))
    head = Head(
        result=Result(result),
        is_stream=bool(facts & 0x01),
        age=age if facts & 0x02 else None,
        remaining=remaining if facts & 0x04 else None,
        total=total if facts & 0x08 else None,
        stored=bool(facts & 0x20) if facts & 0x10 else None,
        tenant=_text(fields, TENANT),
        model=_text(fields, MODEL),
    )
    return Piece(payload[16 + size :], bool(flags & EVENT_END), bool(flags & END), head)


def decode_done(payload: bytes) -> Done:
    if len(payload) < 16:
        raise _broken("a short DONE")
    outcome, zero, size, reserved, count = struct.unpack_from("<BBHIQ", payload)
    if not 1 <= outcome <= 4:
        raise _broken(f"outcome {outcome}")
    if zero or reserved:
        raise _broken("a reserved field of DONE is set")
    fields = _section(payload, 16, size, (TENANT,))
    if 16 + size != len(payload):
        raise _broken("bytes after DONE")
    return Done(Outcome(outcome), count, _text(fields, TENANT))


def decode_error(payload: bytes) -> SamovarError:
    """The ERROR as an exception, of the class of its code; an unknown code by its facts and status (§7.3)."""
    if len(payload) < 16:
        raise _broken("a short ERROR")
    code, status, facts, upstream, retry_after_ms, reserved = struct.unpack_from("<HHHHII", payload)
    if facts & ~0x0003:
        raise _broken("a reserved fact of ERROR is set")
    if reserved:
        raise _broken("a reserved field of ERROR is set")
    if retry_after_ms and not facts & 0x0002:
        raise _broken("a retry-after that its facts declare absent")
    name, _, kind = CODES.get(code, (None, 0, UpstreamFailed if code >= 60 and upstream else SamovarError))
    body = payload[16:]
    described: Dict[str, Any] = {}
    try:
        value = json.loads(body)
        if isinstance(value, dict) and isinstance(value.get("error"), dict):
            described = value["error"]
    except (ValueError, RecursionError):
        pass
    words = described.get("message")
    label = f"{name or 'error'} ({code}, status {status})"
    error: SamovarError = kind(f"{label}: {words}" if isinstance(words, str) and words else label)
    error.code, error.name, error.status = code, name, status
    error.upstream_status = upstream or None
    error.retryable = bool(facts & 0x0001)
    error.retry_after = retry_after_ms / 1000 if facts & 0x0002 else None
    error.error_code = described.get("code") if isinstance(described.get("code"), str) else None
    error.error_type = described.get("type") if isinstance(described.get("type"), str) else None
    error.body = body
    return error


def decode_go_away(payload: bytes) -> GoAway:
    if len(payload) != 8:
        raise _broken("GOAWAY has 8 bytes")
    reason, zero, zeros, grace_ms = struct.unpack("<BBHI", payload)
    if zero or zeros:
        raise _broken("a reserved field of GOAWAY is set")
    return GoAway(reason, grace_ms)


# ---------------------------------------------------------------------------------------------------------------------
# Session: one connection, decided
# ---------------------------------------------------------------------------------------------------------------------

BODY_NEEDED_REPLY = object()
"""What a request by digest gets when its body must be sent (§6.3)."""

_FIRST_PAYLOAD_MAX = (1 << 20) + 4096  # chunk_size is not known yet; it is 1 MiB at most (§12)
_OUTCOMES = {PUT: (Outcome.STORED,), INVALIDATE: (Outcome.INVALIDATED,),
             WARM: (Outcome.STORED, Outcome.CACHED, Outcome.NOT_STORED)}  # fmt: skip


class Request:
    """One request in flight. `put` is told what comes: Piece, Done, BODY_NEEDED_REPLY or a SamovarError."""

    __slots__ = ("id", "opcode", "put", "ended", "head", "size", "credit", "owed")

    def __init__(self, id: int, opcode: int, credit: int, put: Callable[[Any], None]) -> None:
        self.id = id
        self.opcode = opcode
        self.put = put
        self.ended = False
        self.head: Optional[Head] = None
        self.size = 0  # bytes of the answer that have come
        self.credit = credit  # bytes that the server may still send
        self.owed = 0  # bytes consumed, and not yet given back


class Session:
    """What one connection does: bytes in, bytes out, and who is told. No socket, no clock, no thread.

        hello ──HELLO_REPLY──▶ open ──GOAWAY──▶ open, for what is in flight ──▶ failed
          └────────────── ERROR 0, a breach of the rules, the end ──────────────▶ failed

    `output` takes the bytes to send. After `failure` is set nothing changes any more.
    """

    def __init__(
        self,
        output: Callable[[bytes], None],
        fields: Optional[Mapping[int, bytes]] = None,
        window: int = 0,
        features: int = DIGEST | EVENTS,
    ) -> None:
        self._output = output
        self._buffer = bytearray()
        self._payload_max = _FIRST_PAYLOAD_MAX
        self._asked_features, self._asked_window = features, window
        self._next_id = 1
        self._pings: Dict[bytes, Callable[[Any], None]] = {}
        self.inflight: Dict[int, Request] = {}
        self.reply: Optional[HelloReply] = None
        self.go_away: Optional[GoAway] = None
        self.failure: Optional[SamovarError] = None
        self.has_replied = False
        output(MAGIC + encode_hello(features, window, dict(fields or {})))

    # What the client does

    @property
    def is_usable(self) -> bool:
        """New requests may be sent here."""
        return self.reply is not None and self.go_away is None and self.failure is None

    @property
    def room(self) -> int:
        """How many more requests may be open."""
        return self.reply.inflight_max - len(self.inflight) if self.reply else 0

    def open(
        self, opcode: int, encode: Callable[[int], bytes], put: Callable[[Any], None], id: Optional[int] = None
    ) -> Request:
        """Sends the frame that `encode(id)` makes. Precondition: usable, and there is room."""
        assert self.reply is not None and self.is_usable and self.room > 0
        if id is None:
            while self._next_id in self.inflight:
                self._next_id += 1
            id, self._next_id = self._next_id, self._next_id + 1
        assert id not in self.inflight
        encoded = encode(id)
        self._check_limits(encoded)
        request = Request(id, opcode, self.reply.window, put)
        self.inflight[id] = request
        self._output(encoded)
        return request

    def _check_limits(self, encoded: bytes) -> None:
        """FRAME_TOO_LARGE would end the connection for everyone on it, so it is refused here."""
        assert self.reply is not None
        size = len(encoded) - HEADER.size
        if size > self.reply.frame_size_max:
            raise _refused_here(30, f"{size} bytes to send, and this server takes {self.reply.frame_size_max}")
        if size >= 8 and encoded[5] in (ASK, ASK_DIGEST, PUT, INVALIDATE, WARM):
            section = struct.unpack_from("<H", encoded, HEADER.size + 2)[0]
            if section > self.reply.metadata_size_max:
                most = self.reply.metadata_size_max
                raise _refused_here(24, f"{section} bytes of headers, and this server takes {most}")

    def cancel(self, request: Request) -> None:
        """Asks the server to end it, and stops listening. Idempotent; nothing happens after its end."""
        request.put = _drop
        if not request.ended and self.failure is None:
            self._output(frame(CANCEL, request.id))

    def consumed(self, request: Request, size: int) -> None:
        """Gives credit back once it is half the window (§8.2); none after the end, or for an answer that fits."""
        request.owed += size
        if request.ended or self.failure is not None or self.reply is None:
            return
        if request.owed * 2 < self.reply.window:
            return
        total = request.head.total if request.head else None
        if total is None or total - request.size > request.credit:
            credit, request.owed = request.owed, 0
            self.grant(request, credit)

    def grant(self, request: Request, credit: int) -> None:
        request.credit = min(request.credit + credit, CREDIT_MAX)
        self._output(encode_window(request.id, credit))

    def ping(self, cookie: bytes, put: Callable[[Any], None]) -> None:
        """`put` gets the PONG's 8 bytes, or the failure."""
        self._pings[cookie] = put
        self._output(encode_ping(cookie))

    # What the server does

    def receive(self, data: bytes) -> None:
        """The next bytes, cut anywhere."""
        if self.failure is not None:
            return
        self._buffer += data
        try:
            if self.reply is None:
                self._check_first_bytes()
            self._read_frames()
        except SamovarError as error:
            self.fail(error)

    def end(self, reason: Optional[BaseException] = None) -> None:
        """Nothing more will come."""
        if self.failure is not None:
            return
        why = f": {reason}" if reason else ""
        if self.reply is not None:
            where = " within a frame" if self._buffer else ""
            self.fail(ConnectionLost(f"the server closed the connection{where}{why}"))
        elif self._buffer:
            what = f"{bytes(self._buffer[:16])!r}"
            self.fail(ConnectionLost(f"the server closed within its first frame, after {what}: is it a Samovar?{why}"))
        else:
            self.fail(ConnectionLost(f"the server closed before it said anything: is it a Samovar?{why}"))

    def fail(self, error: SamovarError) -> None:
        """Every request has failed by this; the first reason stays."""
        if self.failure is not None:
            return
        self.failure = error
        requests, pings = list(self.inflight.values()), list(self._pings.values())
        self.inflight.clear()
        self._pings.clear()
        self._buffer.clear()
        for request in requests:
            request.ended = True
            request.put(copy.copy(error))
        for put in pings:
            put(copy.copy(error))

    def _check_first_bytes(self) -> None:
        """Everything but HELLO_REPLY or ERROR 0 is a stranger's (§2.1), told from as few bytes as show it."""
        start = bytes(self._buffer[:16])
        padded = start + bytes(16 - len(start))
        length = struct.unpack_from("<I", padded)[0]
        good = (
            (len(start) < 4 or 16 <= length <= _FIRST_PAYLOAD_MAX)
            and (len(start) < 5 or start[4] == VERSION)
            and (len(start) < 6 or start[5] in (HELLO_REPLY, ERROR))
            and not any(start[6:])
        )
        if not good:
            raise NotSamovar(_stranger(bytes(self._buffer[:64])))

    def _read_frames(self) -> None:
        buffer, at = self._buffer, 0
        try:
            while len(buffer) - at >= HEADER.size and self.failure is None:
                length, version, opcode, flags, id = HEADER.unpack_from(buffer, at)
                if length > self._payload_max:
                    raise _broken(f"a payload of {length} bytes, where {self._payload_max} are the most")
                if version != VERSION:
                    raise _broken(f"version {version} in a header")
                self._check_header(opcode, flags, id, length)
                if len(buffer) - at < HEADER.size + length:
                    break
                payload = bytes(memoryview(buffer)[at + HEADER.size : at + HEADER.size + length])
                at += HEADER.size + length
                self._take(opcode, flags, id, payload)
        finally:
            del buffer[: min(at, len(buffer))]

    def _check_header(self, opcode: int, flags: int, id: int, length: int) -> None:
        """§3.4: what can be refused before the payload is there."""
        if flags & ~(END | EVENT_END):
            raise _broken(f"flags {flags:#06x}")
        if self.reply is None and opcode not in (HELLO_REPLY, ERROR):
            raise _broken(f"opcode {opcode:#04x} before HELLO_REPLY")
        if opcode in (HELLO_REPLY, PING, PONG, GOAWAY):
            if flags or id:
                raise _broken(f"opcode {opcode:#04x} with flags or an id")
            if opcode == HELLO_REPLY and self.reply is not None:
                raise _broken("a second HELLO_REPLY")
            if opcode != HELLO_REPLY and length != 8:
                raise _broken(f"opcode {opcode:#04x} with {length} bytes")
            return
        if opcode not in (ANSWER, DATA, BODY_NEEDED, DONE, ERROR):
            raise _broken(f"opcode {opcode:#04x} is not a server's")
        if opcode == ERROR and id == 0:
            if flags:
                raise _broken("an ERROR of the connection with flags")
            return
        if id not in self.inflight:
            raise _broken(f"opcode {opcode:#04x} for id {id}, which is not in flight")
        if opcode in (BODY_NEEDED, DONE) and flags != END:
            raise _broken(f"opcode {opcode:#04x} is always a whole reply")
        if opcode == ERROR and flags & EVENT_END:
            raise _broken("an ERROR ends no event")
        if opcode == DATA and length == 0 and not flags & END:
            raise _broken("a DATA without bytes that ends nothing")

    def _take(self, opcode: int, flags: int, id: int, payload: bytes) -> None:
        if opcode in (ANSWER, DATA):
            self._take_piece(self.inflight[id], opcode, flags, payload)
        elif opcode == ERROR:
            self._take_error(flags, id, payload)
        elif opcode == DONE:
            self._take_done(self.inflight[id], decode_done(payload))
        elif opcode == BODY_NEEDED:
            request = self.inflight[id]
            if request.opcode != ASK_DIGEST or request.head is not None or payload:
                raise _broken("BODY_NEEDED where it does not belong")
            self._close(request, BODY_NEEDED_REPLY)
        elif opcode == PING:
            self._output(encode_ping(payload, PONG))
        elif opcode == PONG:
            self.has_replied = True
            self._pings.pop(payload, _drop)(payload)  # an unexpected one is ignored (§10.1)
        elif opcode == GOAWAY:
            self.go_away = decode_go_away(payload)
        else:
            self._take_hello_reply(decode_hello_reply(payload))

    def _take_hello_reply(self, reply: HelloReply) -> None:
        if reply.version != VERSION:
            raise _broken(f"it chose version {reply.version}")
        if reply.features & ~(self._asked_features | ADMIN):
            raise _broken(f"features {reply.features:#x} that were not asked for")
        if self._asked_window and reply.window > self._asked_window:
            raise _broken(f"a window of {reply.window} bytes, more than was asked for")
        if not (reply.frame_size_max and reply.window and reply.chunk_size and reply.inflight_max):
            raise _broken("a frame size, window, chunk size or number of requests of 0")
        self._payload_max = reply.chunk_size + 4096
        self.reply = reply

    def _take_piece(self, request: Request, opcode: int, flags: int, payload: bytes) -> None:
        assert self.reply is not None
        if opcode == ANSWER:
            if request.opcode not in (ASK, ASK_DIGEST) or request.head is not None:
                raise _broken("ANSWER where it does not belong")
            piece = decode_answer(payload, flags)
            request.head = piece.head
        else:
            if request.opcode != STATS and request.head is None:
                raise _broken("DATA where it does not belong")
            piece = Piece(payload, bool(flags & EVENT_END), bool(flags & END))
        size = len(piece.data)
        if size > self.reply.chunk_size:
            raise _broken(f"{size} bytes of an answer in one frame, and its chunk size is {self.reply.chunk_size}")
        if size > request.credit:
            raise _broken(f"{size} bytes of an answer, and a credit of {request.credit}")
        request.credit -= size
        request.size += size
        if not piece.end:
            request.put(piece)
            return
        total = request.head.total if request.head else None
        if total is None or total == request.size:
            self._close(request, piece)
        else:
            request.put(Piece(piece.data, piece.event_end, False, piece.head))
            self._close(request, AnswerCut(f"the answer has {request.size} bytes, and it should have {total}"))

    def _take_error(self, flags: int, id: int, payload: bytes) -> None:
        error = decode_error(payload)
        if id == 0:
            raise error
        if error.code == DUPLICATE_ID or not flags & END:
            # This client never repeats an id, so whoever says so is wrong about what is in flight.
            raise _broken("an ERROR without END, or DUPLICATE_ID for an id that was sent once")
        self._close(self.inflight[id], error)

    def _take_done(self, request: Request, done: Done) -> None:
        if done.outcome not in _OUTCOMES.get(request.opcode, ()):
            raise _broken(f"DONE {done.outcome.name} where it does not belong")
        self._close(request, done)

    def _close(self, request: Request, last: Any) -> None:
        del self.inflight[request.id]
        request.ended = True
        self.has_replied = True
        request.put(last)


def _drop(_: Any) -> None:
    """Where the reply to a request goes that nobody waits for any more."""


def _stranger(start: bytes) -> str:
    """Who that may be instead."""
    if start.startswith(b"HTTP/") or start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        who = f"it speaks HTTP; the binary protocol has its own port (listen.binary, {PORT} by default)"
    elif start[:1] in (b"\x15", b"\x16") and start[1:2] in (b"\x03", b""):
        who = "it speaks TLS; give `tls`"
    elif start[:1] in (b"-", b"+", b"*", b"$", b":") and b"\r" in start:
        who = "it speaks RESP, as Redis does"
    elif start.startswith((b"ERROR\r\n", b"CLIENT_ERROR", b"SERVER_ERROR")):
        who = "it speaks memcached's protocol"
    elif start.startswith(b"SSH-"):
        who = "it speaks SSH"
    else:
        who = "it speaks something else"
    return f"this is not Samovar's binary protocol: {who}; it began with {start[:32]!r}"


# ---------------------------------------------------------------------------------------------------------------------
# Connection: a session on a socket
# ---------------------------------------------------------------------------------------------------------------------

PONGS_SIZE_MAX = 256 << 10
"""How many bytes of PONG may wait for a server that does not read, before it counts as gone."""


class Address:
    """`host:port`, `[v6]:port`, `host` (port 7601) or `unix:/path`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.path: Optional[str] = None
        self.host, self.port = "", PORT
        if text.startswith("unix:"):
            self.path = text[5:]
            if not self.path:
                raise ValueError("unix: needs a path, as in unix:/run/samovar.sock")
            return
        if "://" in text:
            raise ValueError(f"an address is host:port or unix:/path, no URL: {text!r}")
        host, colon, port = text.rpartition(":")
        if text.startswith("["):
            host, closing, rest = text[1:].partition("]")
            if not closing or (rest and not rest.startswith(":")):
                raise ValueError(f"an address is host:port or unix:/path, not {text!r}")
            colon, port = rest[:1], rest[1:]
        elif not colon or ":" in host:
            host, colon, port = text, "", ""
        if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{port!r} is no port, in {text!r}")
        if not host:
            raise ValueError(f"an address is host:port or unix:/path, not {text!r}")
        self.host, self.port = host, int(port) if colon else PORT


class _Connection(asyncio.Protocol):
    """The driver of one session: moves bytes, wakes who waits, keeps alive. Lives on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, new_session: Callable[..., Session], keep_alive: bool) -> None:
        self._loop = loop
        self._new_session = new_session
        self._keep_alive = keep_alive
        self._transport: Any = None
        self._timer: Optional[asyncio.TimerHandle] = None
        self._waiting: Deque[asyncio.Future[None]] = collections.deque()
        self._ping_count = 0
        self._pongs: Optional[List[bytes]] = None
        self._pongs_size = 0
        self._received_at = self._sent_at = loop.time()
        self._pinged_at: Optional[float] = None  # by _tick, and not answered by a single byte since
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.session: Session

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.session = self._new_session(self._send)

    def data_received(self, data: bytes) -> None:
        self._received_at = self._loop.time()
        # What is sent while receiving is PONG: written as one, since a transport with many small writes waiting is slow.
        self._pongs = []
        self.session.receive(data)
        pongs, self._pongs = b"".join(self._pongs), None
        if pongs:
            self._send(pongs)
        self._pongs_size = 0 if self._unsent_size() == 0 else self._pongs_size + len(pongs)
        if self._pongs_size > PONGS_SIZE_MAX:
            self.session.fail(ConnectionLost("the server sends PING after PING, and does not read"))
        self._look()

    def eof_received(self) -> Optional[bool]:
        self.session.end()
        self._look()
        return False

    def connection_lost(self, error: Optional[Exception]) -> None:
        if self.session.failure is None:
            self._read_last_words()
        self.session.end(error)
        self._look()
        if not self.closed.done():
            self.closed.set_result(None)

    def _read_last_words(self) -> None:
        """A write that failed hides what the server said before it closed, and that has the reason."""
        handle = self._transport.get_extra_info("socket")
        if handle is None or self._transport.get_extra_info("ssl_object") is not None:
            return
        try:
            while self.session.failure is None:
                data = os.read(handle.fileno(), 65536)
                if not data:
                    return
                self.session.receive(data)
        except OSError:
            return

    def _send(self, data: bytes) -> None:
        if self._pongs is not None:
            self._pongs.append(data)
            return
        self._sent_at = self._loop.time()
        self._transport.write(data)

    def _unsent_size(self) -> int:
        return int(self._transport.get_write_buffer_size())

    def _look(self) -> None:
        """After anything has come: does somebody have to be woken, something to be closed?"""
        session = self.session
        if not self.greeted.done() and (session.reply is not None or session.failure is not None):
            self.greeted.set_result(None)
            self._tick()
        if session.failure is not None:
            self.close()
        elif session.go_away is not None and not session.inflight:
            self.close()
        self.wake()

    def wake(self) -> None:
        """As many of those who wait for room as there is room for; all, where there will be none here."""
        room = self.session.room if self.session.is_usable else len(self._waiting)
        while self._waiting and room > 0:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1

    async def room(self, expires: Optional[float]) -> bool:
        """Waits until a request may be opened, at once; False where this connection takes no more."""
        first = True
        while self.session.is_usable:
            if self.session.room > 0 and not (first and self._waiting):
                return True
            first = False
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            woken = False
            try:
                woken = await _within(self._loop, waiter, expires)
            finally:
                if not woken:
                    # Woken and cancelled in the same turn: hand the room on, or the next one sleeps for ever.
                    if waiter.done():
                        self.wake()
                    else:
                        self._waiting.remove(waiter)
            if not woken:
                raise _refused_here(43, "the deadline passed while other requests had the connection")
        return False

    def ping(self, put: Callable[[Any], None]) -> None:
        self._ping_count += 1
        self.session.ping(struct.pack("<Q", self._ping_count), put)

    def _tick(self) -> None:
        """Every sixth of `idle_timeout`: PING after a third without traffic, gone when half is silent after it (§10.2,
        §10.3)."""
        session = self.session
        if session.failure is not None or session.reply is None or session.reply.idle_timeout_ms == 0:
            return
        idle = session.reply.idle_timeout_ms / 1000
        now = self._loop.time()
        if self._pinged_at is not None and self._pinged_at < self._received_at:
            self._pinged_at = None
        if self._pinged_at is not None:
            if now - self._pinged_at >= idle / 2:
                silent = now - self._received_at
                session.fail(ConnectionLost(f"the server has said nothing for {silent:.1f} s, nor answered PING"))
                self._look()
                return
        elif self._keep_alive or session.inflight:
            if session.go_away is None and now - min(self._received_at, self._sent_at) >= idle / 3:
                self._pinged_at = now
                self.ping(_drop)
        self._timer = self._loop.call_later(idle / 6, self._tick)

    def retire(self) -> None:
        """As if GOAWAY had come: what is in flight is finished, new requests go elsewhere."""
        self.session.go_away = self.session.go_away or GoAway(1, 0)
        self._look()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            if self.session.failure is not None or self._unsent_size():
                self._transport.abort()
            else:
                self._transport.close()


async def _within(loop: asyncio.AbstractEventLoop, future: Any, expires: Optional[float]) -> bool:
    """Whether it was done in time. The future is left alone either way."""
    timeout = None if expires is None else max(0.0, expires - loop.time())
    done, _ = await asyncio.wait({future}, timeout=timeout)
    return bool(done)


class _Exchange:
    """One request of one caller, on one connection: sends, waits, gives credit, leaves."""

    def __init__(self, connection: _Connection, expires: Optional[float]) -> None:
        self._connection = connection
        self._loop = connection._loop
        self._items: Deque[Any] = collections.deque()
        self._waiter: Optional[asyncio.Future[None]] = None
        self._expires = expires
        self._timer: Optional[asyncio.TimerHandle] = None
        self._request: Optional[Request] = None

    def send(self, opcode: int, encode: Callable[[int, int], bytes]) -> None:
        """`encode(id, deadline in ms)`."""
        deadline_ms = 0
        if self._expires is not None:
            left = self._expires - self._loop.time()
            if left <= 0:
                raise _refused_here(43, "the deadline passed before the request was sent")
            deadline_ms = min(max(1, math.ceil(left * 1000)), U32_MAX)
            if self._timer is None:
                late = _refused_here(43, "the deadline passed")
                self._timer = self._loop.call_at(self._expires, self._put, late)
        self._request = self._connection.session.open(opcode, lambda id: encode(id, deadline_ms), self._put)

    def _put(self, item: Any) -> None:
        self._items.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> Any:
        """The next Piece, Done or BODY_NEEDED_REPLY; raises what is an error."""
        assert self._request is not None
        while not self._items:
            self._waiter = self._loop.create_future()
            await self._waiter
        item = self._items.popleft()
        if isinstance(item, SamovarError):
            raise item
        return item

    def took(self, piece: Piece) -> None:
        """The reader has it: its bytes are given back as credit."""
        if self._request is not None and piece.data:
            self._connection.session.consumed(self._request, len(piece.data))

    def leave(self) -> None:
        """Idempotent. What has not ended is cancelled; its end is awaited by the session, by nobody else."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._request is not None:
            request, self._request = self._request, None
            self._items.clear()
            if not request.ended:
                self._connection.session.cancel(request)


# ---------------------------------------------------------------------------------------------------------------------
# The clients
# ---------------------------------------------------------------------------------------------------------------------

T = TypeVar("T")
_DEFAULT: Any = object()
_Deadline = Optional[float]


class AsyncClient:
    """A Samovar, asked by any number of tasks of one event loop over one connection.

    `address`: `host:port` or `unix:/path`. `authorization`: the Authorization header, `Bearer …` included.
    `admin_token`, `access_token`: where the listener wants them. `window`: bytes of one answer taken ahead of its
    reader, 0 as the server likes. `timeout`: seconds a request may take unless it says `deadline`; None: for ever.
    `connect_timeout`: seconds for connection and greeting. `tls`: True or an SSLContext. `keep_alive`: PING while idle.
    `retries`: how often a request is sent again whose connection was lost, or drained, before any of its answer was
    handed over; nothing else is retried. `backoff_min`, `backoff_max`: seconds between attempts to connect, doubling
    with jitter from the second on. `answer_size_max`: bytes that `ask` and `stats` collect, and the size of one event.

    The connection is made when it is first needed, and again when it is gone.
    """

    def __init__(
        self,
        address: str = f"127.0.0.1:{PORT}",
        authorization: Optional[str] = None,
        admin_token: Optional[str] = None,
        access_token: Optional[str] = None,
        window: int = 0,
        timeout: Optional[float] = 600.0,
        *,
        connect_timeout: float = 5.0,
        tls: Union[bool, ssl.SSLContext, None] = None,
        server_hostname: Optional[str] = None,
        keep_alive: bool = True,
        retries: int = 2,
        backoff_min: float = 0.05,
        backoff_max: float = 2.0,
        answer_size_max: int = 256 << 20,
        software: Optional[str] = f"samovar-python/{__version__}",
    ) -> None:
        self._address = Address(address)
        self._fields: Dict[int, bytes] = {}
        for type, name, value in (
            (AUTHORIZATION, "authorization", authorization),
            (ADMIN_TOKEN, "admin_token", admin_token),
            (ACCESS_TOKEN, "access_token", access_token),
            (SOFTWARE, "software", software),
        ):
            if value is not None:
                self._fields[type] = field_text(name, value)
        encode_hello(DIGEST | EVENTS, window, self._fields)  # what is wrong with it is said here, not when connecting
        self._window = window
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._tls = ssl.create_default_context() if tls is True else (tls or None)
        self._server_hostname = server_hostname
        self._keep_alive = keep_alive
        self._retries = retries
        self._backoff_min, self._backoff_max = backoff_min, backoff_max
        self._answer_size_max = answer_size_max
        self._current: Optional[_Connection] = None
        self._connections: "weakref.WeakSet[_Connection]" = weakref.WeakSet()
        self._connecting: Optional["asyncio.Task[_Connection]"] = None
        self._last: Optional[_Connection] = None
        self._failures = 0  # connections in a row that replied to nothing
        self._closed = False

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    @property
    def server(self) -> Optional[HelloReply]:
        """What the server said in its greeting; None while there is no connection."""
        return self._current.session.reply if self._current is not None else None

    # Asking

    async def ask(
        self,
        body: Body = None,
        kind: str = "chat",
        headers: Optional[Mapping[str, str]] = None,
        *,
        no_cache: bool = False,
        no_store: bool = False,
        only_if_cached: bool = False,
        max_age: Optional[int] = None,
        max_stale: Union[int, float, None] = None,
        show_tenant: bool = False,
        digest_first: bool = False,
        deadline: _Deadline = _DEFAULT,
    ) -> Answer:
        """The whole answer.

        `kind`: chat, completions, embeddings or models. `headers`: those that go upstream and make requests different.
        `no_cache`: never a stored answer. `no_store`: shared with nobody, and not kept. `only_if_cached`: a stored
        answer or NotCached. `max_age`: none older, in seconds. `max_stale`: an expired one will do for as many seconds;
        math.inf: however long. `digest_first`: the body's SHA-256 is sent, and the body only if that is not enough:
        worth it for large bodies that are asked again. `deadline`: in seconds.
        """
        asked = question(
            body, kind, headers, no_cache, no_store, only_if_cached, max_age, max_stale, show_tenant, events=False
        )

        async def once(connection: _Connection, expires: Optional[float]) -> Answer:
            exchange, piece = await self._begin(connection, asked, digest_first, expires)
            collected = await self._collect(exchange, piece)
            return Answer(**vars(piece.head), body=collected)

        return await self._attempts(deadline, once)

    def stream(
        self,
        body: Body = None,
        kind: str = "chat",
        headers: Optional[Mapping[str, str]] = None,
        *,
        events: bool = False,
        no_cache: bool = False,
        no_store: bool = False,
        only_if_cached: bool = False,
        max_age: Optional[int] = None,
        max_stale: Union[int, float, None] = None,
        show_tenant: bool = False,
        digest_first: bool = False,
        deadline: _Deadline = _DEFAULT,
    ) -> "AsyncStream":
        """The answer as it comes: `async for chunk in client.stream(…)`, or in an `async with` first.

        With `events`, one `Event` at a time. A mapping without a member `stream` gets `"stream": true`; bytes and text
        go as they are. Leaving early cancels the request, and only it. The deadline is for all of the stream.
        """
        if isinstance(body, Mapping) and "stream" not in body and kind in ("chat", "completions"):
            body = {**body, "stream": True}
        asked = question(
            body, kind, headers, no_cache, no_store, only_if_cached, max_age, max_stale, show_tenant, events
        )
        return AsyncStream(self, asked, events, digest_first, deadline)

    # Operations

    async def put(
        self,
        body: Body,
        answer: Body,
        kind: str = "chat",
        headers: Optional[Mapping[str, str]] = None,
        *,
        form: str = "body",
        ttl: int = 0,
        deadline: _Deadline = _DEFAULT,
    ) -> Done:
        """Stores an answer. `form`: body or stream. `ttl`: seconds; 0: the route's. Needs the admin token."""
        fields, asked, given = _keyed_fields(headers), to_bytes(body), to_bytes(answer)
        return await self._operate(PUT, lambda id, _: encode_put(id, kind, form, ttl, fields, asked, given), deadline)

    async def invalidate(
        self,
        body: Body = None,
        kind: str = "chat",
        headers: Optional[Mapping[str, str]] = None,
        *,
        namespace: Optional[str] = None,
        model: Optional[str] = None,
        tenant: Optional[str] = None,
        deadline: _Deadline = _DEFAULT,
    ) -> Done:
        """Makes answers unusable: of one body, or of a namespace, a model (all tenants'), or a tenant ("": one's own).

        Needs the admin token."""
        given = [(name, value) for name, value in (("namespace", namespace), ("model", model), ("tenant", tenant))
                 if value is not None]  # fmt: skip
        if len(given) + (body is not None or kind == "models") != 1:
            raise ValueError("invalidate takes one of: a body, namespace, model, tenant")
        if given:
            target, text = given[0]
            fields: Dict[int, bytes] = _keyed_fields(headers)
            what, sent_kind = text.encode("utf-8"), None
        else:
            target, what, sent_kind, fields = "body", to_bytes(body), kind, _keyed_fields(headers)
        encode_invalidate(1, target, sent_kind, fields, what)
        return await self._operate(
            INVALIDATE, lambda id, _: encode_invalidate(id, target, sent_kind, fields, what), deadline
        )

    async def warm(
        self,
        body: Body = None,
        kind: str = "chat",
        headers: Optional[Mapping[str, str]] = None,
        *,
        no_cache: bool = False,
        max_age: Optional[int] = None,
        show_tenant: bool = False,
        deadline: _Deadline = _DEFAULT,
    ) -> Done:
        """Asks on behalf of nobody, so that the answer is there later. Needs the admin token."""
        asked = question(body, kind, headers, no_cache=no_cache, max_age=max_age, show_tenant=show_tenant)
        return await self._operate(WARM, lambda id, deadline_ms: asked.encode(WARM, id, deadline_ms), deadline)

    async def stats(self, deadline: _Deadline = _DEFAULT) -> Any:
        """The server's figures, as parsed JSON. Needs the admin token."""

        async def once(connection: _Connection, expires: Optional[float]) -> Any:
            exchange = _Exchange(connection, expires)
            try:
                exchange.send(STATS, lambda id, _: frame(STATS, id))
                piece = await exchange.next()
            except BaseException:
                exchange.leave()
                raise
            text = await self._collect(exchange, piece)
            try:
                return json.loads(text)
            except ValueError:
                raise ProtocolError(f"the figures are no JSON: {text[:64]!r}") from None

        return await self._attempts(deadline, once)

    async def ping(self, deadline: _Deadline = _DEFAULT) -> float:
        """Seconds to the server and back."""

        async def once(connection: _Connection, expires: Optional[float]) -> float:
            loop = asyncio.get_running_loop()
            answered: asyncio.Future[Any] = loop.create_future()
            begun = loop.time()
            connection.ping(lambda value: None if answered.done() else answered.set_result(value))
            if not await _within(loop, answered, expires):
                raise _refused_here(43, "no PONG within the deadline")
            if isinstance(answered.result(), SamovarError):
                raise answered.result()
            return loop.time() - begun

        return await self._attempts(deadline, once, takes_room=False)

    async def close(self) -> None:
        """Ends the connection; what is in flight fails with ClientClosed. Idempotent."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        connections = list(self._connections)
        for connection in connections:
            connection.session.fail(ClientClosed("the client was closed"))
            connection._look()
        if connections:
            await asyncio.wait({connection.closed for connection in connections}, timeout=1)

    # How

    async def _begin(
        self, connection: _Connection, asked: Question, digest_first: bool, expires: Optional[float]
    ) -> Tuple[_Exchange, Piece]:
        """Sends the question, by digest first where that may help, and waits for the head of its answer."""
        reply = connection.session.reply
        assert reply is not None
        if asked.options & OPTION_EVENTS and not reply.features & EVENTS:
            raise _refused_here(27, "this server does not offer EVENTS: stream without `events`")
        by_digest = digest_first and asked.kind != "models"
        exchange = _Exchange(connection, expires)
        try:
            if by_digest and reply.features & DIGEST and not asked.options & (NO_CACHE | NO_STORE):
                exchange.send(ASK_DIGEST, lambda id, deadline_ms: asked.encode(ASK_DIGEST, id, deadline_ms))
                first = await exchange.next()
                if first is not BODY_NEEDED_REPLY:
                    return exchange, first
                exchange.leave()
                if not await connection.room(expires):
                    raise ConnectionLost("the connection ended between the digest and the body")
                exchange = _Exchange(connection, expires)
            exchange.send(ASK, lambda id, deadline_ms: asked.encode(ASK, id, deadline_ms, with_digest=by_digest))
            return exchange, await exchange.next()
        except BaseException:
            exchange.leave()
            raise

    async def _collect(self, exchange: _Exchange, piece: Piece) -> bytes:
        parts, size = [piece.data], len(piece.data)
        try:
            while not piece.end:
                exchange.took(piece)
                piece = await exchange.next()
                parts.append(piece.data)
                size += len(piece.data)
                self._check_size(size)
            return b"".join(parts)
        except SamovarError as error:
            error.partial = b"".join(parts)
            raise
        finally:
            exchange.leave()

    def _check_size(self, size: int) -> None:
        if size > self._answer_size_max:
            raise AnswerCut(f"the answer has more than {self._answer_size_max} bytes (answer_size_max)")

    async def _operate(self, opcode: int, encode: Callable[[int, int], bytes], deadline: _Deadline) -> Done:
        encode(1, 0)  # what is wrong with the arguments is said before connecting

        async def once(connection: _Connection, expires: Optional[float]) -> Done:
            exchange = _Exchange(connection, expires)
            try:
                exchange.send(opcode, encode)
                done: Done = await exchange.next()
                return done
            finally:
                exchange.leave()

        return await self._attempts(deadline, once)

    async def _attempts(
        self, deadline: _Deadline, once: Callable[[_Connection, Optional[float]], Awaitable[T]],
        takes_room: bool = True,
    ) -> T:  # fmt: skip
        """Tries, and tries again where the connection is to blame."""
        loop = asyncio.get_running_loop()
        seconds = self._timeout if deadline is _DEFAULT else deadline
        if seconds is not None and not seconds > 0:
            raise ValueError(f"a deadline of {seconds} seconds")
        expires = None if seconds is None or seconds == math.inf else loop.time() + seconds
        for left in range(self._retries, -1, -1):
            connection = None
            try:
                connection = await self._connection(expires)
                while takes_room and not await connection.room(expires):
                    connection = await self._connection(expires)
                try:
                    return await once(connection, expires)
                finally:
                    connection.wake()  # the room may not have been used
            except (ConnectionLost, Unavailable) as error:
                if connection is not None and not isinstance(error, (ConnectionLost, Draining)):
                    raise  # a limit on this request: the caller knows best when to come again
                if connection is not None and isinstance(error, Draining):
                    connection.retire()
                if left == 0 or not error.retryable:
                    raise
        raise AssertionError("unreachable")

    async def _connection(self, expires: Optional[float]) -> _Connection:
        """The one connection, made by the first who needs it while the others wait."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise ClientClosed("the client was closed")
        if self._current is not None and self._current.session.is_usable:
            return self._current
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect(loop))
            self._connecting.add_done_callback(self._connected)
        connecting = self._connecting
        if not await _within(loop, connecting, expires):
            raise _refused_here(43, f"the deadline passed while connecting to {self._address.text}")
        if connecting.cancelled():
            raise ClientClosed("the client was closed")
        error = connecting.exception()
        if error is not None:
            raise copy.copy(error) from error.__cause__
        return connecting.result()

    def _connected(self, task: "asyncio.Task[_Connection]") -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._current = task.result()

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        if self._last is not None and self._last.session.has_replied:
            self._failures = 0
        if self._failures > 1:
            most = min(self._backoff_max, self._backoff_min * 2 ** min(self._failures - 2, 30))
            await asyncio.sleep(most * random.uniform(0.5, 1.0))
        connection = _Connection(loop, self._new_session, self._keep_alive)
        self._failures += 1  # until it has replied to something
        try:
            await asyncio.wait_for(self._open_transport(loop, connection), self._connect_timeout)
        except asyncio.TimeoutError:
            raise ConnectFailed(f"no connection to {self._address.text} in {self._connect_timeout} s") from None
        except (OSError, ValueError) as error:
            raise ConnectFailed(f"no connection to {self._address.text}: {error}") from error
        self._last = connection
        self._connections.add(connection)
        try:
            greeted = await _within(loop, connection.greeted, loop.time() + self._connect_timeout)
        except asyncio.CancelledError:
            connection.session.fail(ClientClosed("the client was closed"))
            connection._look()
            raise
        if not greeted:
            connection.session.fail(
                ConnectFailed(
                    f"{self._address.text} took the connection and did not greet in {self._connect_timeout} s: "
                    "is it a Samovar, and its binary port?"
                )
            )
            connection._look()
        if connection.session.failure is not None:
            raise copy.copy(connection.session.failure)
        return connection

    async def _open_transport(self, loop: asyncio.AbstractEventLoop, connection: _Connection) -> None:
        where: Dict[str, Any] = {"ssl": self._tls}
        if self._tls is not None:
            where["server_hostname"] = self._server_hostname or self._address.host or "localhost"
        if self._address.path is not None:
            await loop.create_unix_connection(lambda: connection, self._address.path, **where)
        else:
            await loop.create_connection(lambda: connection, self._address.host, self._address.port, **where)

    def _new_session(self, output: Callable[[bytes], None]) -> Session:
        return Session(output, self._fields, self._window)


class AsyncStream:
    """An answer as it comes. `head` says what it is, from the first chunk on, or after `open`."""

    def __init__(
        self, client: AsyncClient, asked: Question, events: bool, digest_first: bool, deadline: _Deadline
    ) -> None:
        self._client = client
        self._asked = asked
        self._events = events
        self._digest_first = digest_first
        self._deadline = deadline
        self._exchange: Optional[_Exchange] = None
        self._first: Optional[Piece] = None
        self._unfinished: List[bytes] = []
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._late: Optional[SamovarError] = None
        self._over = False
        self.head: Optional[Head] = None

    async def open(self) -> "AsyncStream":
        """Sends the question and waits for the head of the answer."""
        if self._exchange is None and not self._over:
            self._loop = asyncio.get_running_loop()
            begin = lambda connection, expires: self._client._begin(  # noqa: E731
                connection, self._asked, self._digest_first, expires
            )
            self._exchange, first = await self._client._attempts(self._deadline, begin)
            self._first, self.head = first, first.head
        return self

    async def close(self) -> None:
        """Leaves: what has not come is cancelled. Idempotent."""
        self._abandon()

    def _abandon(self) -> None:
        self._over = True
        self._first = None
        if self._exchange is not None:
            self._exchange.leave()
            self._exchange = None

    async def __aenter__(self) -> "AsyncStream":
        return await self.open()

    async def __aexit__(self, *_: Any) -> None:
        self._abandon()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self.open()
        while self._exchange is not None:
            try:
                piece = self._first or await self._exchange.next()
            except BaseException:
                self._abandon()
                raise
            self._first = None
            # Bytes of an unfinished event too: an event larger than the window would never end otherwise.
            self._exchange.took(piece)
            chunk = self._chunk(piece)
            if piece.end:
                self._abandon()
            if chunk:
                return chunk
        raise StopAsyncIteration

    def _chunk(self, piece: Piece) -> bytes:
        """What the reader gets for it: with events nothing until the event is whole."""
        if not self._events or self.head is None or not self.head.is_stream:
            return piece.data
        self._unfinished.append(piece.data)
        try:
            self._client._check_size(sum(map(len, self._unfinished)))
        except SamovarError:
            self._abandon()
            raise
        if not piece.event_end and not piece.end:
            return b""
        whole = Event(b"".join(self._unfinished))
        self._unfinished.clear()
        return whole

    async def _next_ones(self) -> List[bytes]:
        """All that is there, at least one; none at the end. An error waits for what came before it to be read."""
        if self._late is not None:
            error, self._late = self._late, None
            raise error
        ones: List[bytes] = []
        while not ones or self._has_next():
            try:
                ones.append(await self.__anext__())
            except StopAsyncIteration:
                break
            except SamovarError as error:
                if not ones:
                    raise
                self._late = error
        return ones

    def _has_next(self) -> bool:
        """Whether the next chunk, or event, can be had without waiting."""
        items = self._exchange._items if self._exchange is not None else ()
        if not self._events:
            return bool(items)
        return any(not isinstance(item, Piece) or item.event_end or item.end for item in items)

    def __del__(self) -> None:
        # Dropped half-read, by whatever thread collects garbage: the event loop leaves for it.
        exchange, loop = getattr(self, "_exchange", None), getattr(self, "_loop", None)
        if exchange is not None and loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(exchange.leave)
            except RuntimeError:
                pass


class Client:
    """A Samovar, asked by any number of threads over one connection. Arguments as for `AsyncClient`.

    Runs an `AsyncClient` on an event loop in a thread of its own. Make it after forking, not before.
    """

    def __init__(
        self,
        address: str = f"127.0.0.1:{PORT}",
        authorization: Optional[str] = None,
        admin_token: Optional[str] = None,
        access_token: Optional[str] = None,
        window: int = 0,
        timeout: Optional[float] = 600.0,
        **options: Any,
    ) -> None:
        self._client = AsyncClient(address, authorization, admin_token, access_token, window, timeout, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run_loop, args=(self._loop,), name="samovar", daemon=True)
        self._thread.start()
        self._closing = threading.Lock()
        self._closed = False
        self._finalizer = weakref.finalize(self, _stop, self._client, self._loop)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def server(self) -> Optional[HelloReply]:
        """What the server said in its greeting; None while there is no connection."""
        return self._client.server

    def ask(self, body: Body = None, kind: str = "chat", headers: Optional[Mapping[str, str]] = None,
            **controls: Any) -> Answer:  # fmt: skip
        """The whole answer; see `AsyncClient.ask`."""
        return self._run(self._client.ask, body, kind, headers, **controls)

    def stream(self, body: Body = None, kind: str = "chat", headers: Optional[Mapping[str, str]] = None, *,
               events: bool = False, **controls: Any) -> "Stream":  # fmt: skip
        """The answer as it comes; returns when its head is there. See `AsyncClient.stream`."""
        stream = self._client.stream(body, kind, headers, events=events, **controls)
        self._run(stream.open)
        return Stream(self, stream)

    def put(self, body: Body, answer: Body, kind: str = "chat", headers: Optional[Mapping[str, str]] = None,
            **how: Any) -> Done:  # fmt: skip
        """Stores an answer; see `AsyncClient.put`."""
        return self._run(self._client.put, body, answer, kind, headers, **how)

    def invalidate(self, body: Body = None, kind: str = "chat", headers: Optional[Mapping[str, str]] = None,
                   **what: Any) -> Done:  # fmt: skip
        """Makes answers unusable; see `AsyncClient.invalidate`."""
        return self._run(self._client.invalidate, body, kind, headers, **what)

    def warm(self, body: Body = None, kind: str = "chat", headers: Optional[Mapping[str, str]] = None,
             **controls: Any) -> Done:  # fmt: skip
        """Asks on behalf of nobody; see `AsyncClient.warm`."""
        return self._run(self._client.warm, body, kind, headers, **controls)

    def stats(self, deadline: _Deadline = _DEFAULT) -> Any:
        """The server's figures, as parsed JSON."""
        return self._run(self._client.stats, deadline)

    def ping(self, deadline: _Deadline = _DEFAULT) -> float:
        """Seconds to the server and back."""
        return self._run(self._client.ping, deadline)

    def close(self) -> None:
        """Ends the connection; what is in flight in other threads fails with ClientClosed. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._finalizer()
            self._thread.join()

    def _run(self, call: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        if self._closed:
            raise ClientClosed("the client was closed")
        if threading.current_thread() is self._thread:
            raise RuntimeError("the sync client was called on its own event loop")
        coroutine: Any = call(*arguments, **named)
        try:
            future: "concurrent.futures.Future[T]" = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise ClientClosed("the client was closed") from None
        try:
            return future.result()
        except asyncio.CancelledError:
            raise ClientClosed("the client was closed") from None
        except BaseException:
            future.cancel()  # an interrupt: the request is cancelled with it
            raise


class Stream:
    """An answer as it comes, for one thread at a time. Use it in a `with`, or read it to its end."""

    def __init__(self, client: Client, stream: AsyncStream) -> None:
        self._client = client
        self._stream = stream
        self._ready: Deque[bytes] = collections.deque()

    @property
    def head(self) -> Head:
        """What the answer is: hit or miss, how old, whether it is kept."""
        assert self._stream.head is not None
        return self._stream.head

    def close(self) -> None:
        """Leaves: what has not come is cancelled. Idempotent."""
        self._ready.clear()
        if not self._client._closed:
            try:
                self._client._run(self._stream.close)
            except ClientClosed:
                pass

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._ready:
            self._ready.extend(self._client._run(self._stream._next_ones))
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(client: AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
    """Closes and stops, without waiting: also for clients that are dropped without `close`, and at exit."""

    async def wind_up() -> None:
        await _wind_up(client)
        loop.stop()

    stopping: List[Any] = []  # a task that nobody refers to may be collected
    try:
        loop.call_soon_threadsafe(lambda: stopping.append(loop.create_task(wind_up())))
    except RuntimeError:
        pass  # it is closed already


async def _wind_up(client: AsyncClient) -> None:
    """Closes, and lets every thread that waits have its error before the loop stops."""
    await client.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, stuck = await asyncio.wait(others, timeout=1)
        for task in stuck:
            task.cancel()
        if stuck:
            await asyncio.wait(stuck, timeout=1)


# ---------------------------------------------------------------------------------------------------------------------
# The command line
# ---------------------------------------------------------------------------------------------------------------------

_EXAMPLES = """\
examples:
  python -m samovar ask "What is a samovar?" --model deepseek-chat
  python -m samovar ask --stream "Count to ten"           # prints as it comes
  python -m samovar ask --body request.json --kind chat   # a whole JSON body; - is standard input
  python -m samovar --address unix:/run/samovar.sock ping
  SAMOVAR_ADMIN_TOKEN=… python -m samovar stats
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m samovar", description="Asks a Samovar over its binary protocol.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    environ = os.environ.get
    parser.add_argument("--address", default=environ("SAMOVAR_ADDRESS", f"127.0.0.1:{PORT}"),
                        help="host:port or unix:/path (SAMOVAR_ADDRESS; default 127.0.0.1:7601)")  # fmt: skip
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="for one request (default 600)")
    parser.add_argument("--tls", action="store_true", help="speak TLS, with the system's certificates")
    parser.description += "\nTokens are taken from SAMOVAR_AUTHORIZATION, SAMOVAR_ADMIN_TOKEN and SAMOVAR_ACCESS_TOKEN."  # type: ignore[operator]
    commands = parser.add_subparsers(dest="command", required=True, metavar="ask | stats | ping")
    raw = argparse.RawDescriptionHelpFormatter
    ask = commands.add_parser("ask", help="ask one question", epilog=_EXAMPLES, formatter_class=raw)
    ask.add_argument("text", nargs="?", help="the question; or --body")
    ask.add_argument("--body", metavar="FILE", help="the whole JSON body instead; - is standard input")
    ask.add_argument("--model", default=environ("SAMOVAR_MODEL", "deepseek-chat"), help="(SAMOVAR_MODEL)")
    ask.add_argument("--kind", choices=sorted(KINDS), default="chat")
    ask.add_argument("--stream", action="store_true", help="print as it comes")
    ask.add_argument("--no-cache", action="store_true", help="never a stored answer")
    ask.add_argument("--only-if-cached", action="store_true", help="a stored answer or none")
    ask.add_argument("--digest-first", action="store_true", help="send the body's digest, the body only if needed")
    commands.add_parser("stats", help="print the server's figures (needs the admin token)",
                        epilog=_EXAMPLES, formatter_class=raw)  # fmt: skip
    commands.add_parser("ping", help="print what the server is, and how far away", epilog=_EXAMPLES,
                        formatter_class=raw)  # fmt: skip
    return parser


def _read_body(arguments: argparse.Namespace) -> Body:
    if arguments.body == "-":
        return sys.stdin.buffer.read()
    if arguments.body is not None:
        with open(arguments.body, "rb") as file:
            return file.read()
    if arguments.kind == "models":
        return None
    if arguments.text is None:
        raise ValueError("ask needs a question, or --body")
    if arguments.kind == "chat":
        return {"model": arguments.model, "messages": [{"role": "user", "content": arguments.text}]}
    return {"model": arguments.model, "prompt" if arguments.kind == "completions" else "input": arguments.text}


def _words(value: Any) -> Optional[str]:
    """The text in an OpenAI answer or in one event of a stream, where there is one."""
    try:
        choice = value["choices"][0]
        found = choice.get("text")
        for name in ("message", "delta"):
            if name in choice:
                found = choice[name].get("content")
        return found if isinstance(found, str) else None
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _print_answer(answer: Answer) -> None:
    try:
        words = None if answer.is_stream else _words(answer.json())
    except ValueError:
        words = None
    print(words if words is not None else answer.body.decode("utf-8", "replace"))


def _print_stream(stream: Stream) -> None:
    for chunk in stream:
        if isinstance(chunk, Event):
            try:
                print(_words(chunk.json()) or "", end="", flush=True)
            except ValueError:
                pass  # [DONE]
        else:
            print(chunk.decode("utf-8", "replace"), end="", flush=True)
    print()


def _run_ask(client: Client, arguments: argparse.Namespace) -> None:
    body = _read_body(arguments)
    client.ping()  # so that the time below is the answer's, not the connection's
    controls = {name: getattr(arguments, name) for name in ("no_cache", "only_if_cached", "digest_first")}
    begun = time.perf_counter()
    if arguments.stream:
        with client.stream(body, arguments.kind, events=True, **controls) as stream:
            head: Head = stream.head
            _print_stream(stream)
    else:
        answer = client.ask(body, arguments.kind, **controls)
        head = answer
    took = time.perf_counter() - begun
    if not arguments.stream:
        _print_answer(answer)
    age = f", {head.age} s old" if head.age is not None else ""
    print(f"{head.result.name}{age}, {took * 1000:.2f} ms", file=sys.stderr)


def _run_ping(client: Client) -> None:
    away = min(client.ping() for _ in range(3))
    server = client.server
    if server is not None:
        names = [name for name, bit in (("digest", DIGEST), ("events", EVENTS), ("admin", ADMIN))
                 if server.features & bit]  # fmt: skip
        print(f"{server.software or 'samovar'}: version {server.version}, {', '.join(names) or 'no features'}, ", end="")
    print(f"{away * 1e6:.0f} µs away")


def main(arguments: Optional[List[str]] = None) -> int:
    """0, or 1 with the reason on standard error, or 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        with Client(
            options.address,
            authorization=os.environ.get("SAMOVAR_AUTHORIZATION"),
            admin_token=os.environ.get("SAMOVAR_ADMIN_TOKEN"),
            access_token=os.environ.get("SAMOVAR_ACCESS_TOKEN"),
            timeout=options.timeout,
            tls=options.tls,
        ) as client:
            if options.command == "ask":
                _run_ask(client, options)
            elif options.command == "stats":
                print(json.dumps(client.stats(), indent=2, ensure_ascii=False))
            else:
                _run_ping(client)
        return 0
    except SamovarError as error:
        print(f"samovar: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"samovar: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
