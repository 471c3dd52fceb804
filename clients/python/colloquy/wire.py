"""Frames, and the fields of their headers. See docs/protocol.md, "Bytes"."""

from __future__ import annotations

import json
import os
import secrets
import socket
import struct
import time
from typing import Any, Iterator, NamedTuple

from .errors import ColloquyError, invalid, too_large

HEADER_BYTES_MAX = 2**16
#: Of a frame between a client and its hub.
FRAME_BYTES_MAX = 16 * 2**20
U53_MAX = 2**53 - 1
#: The flag of frames that pass data that waits.
CONTROL = 1

MESSAGE = 1
HELLO, WELCOME, GOODBYE, PING, PONG, RESUMED = range(16, 22)
SUBSCRIBE, UNSUBSCRIBE, PUBLISH, UNHEARD, SUBSCRIBED, DROPPED, QUIET, LOUD, HEEDED = range(32, 41)
ENQUEUE, ENQUEUED, RECEIVE, CANCEL, DELIVER, SETTLE, SETTLED, ENDED = range(48, 56)
PUT, APPEND, TRACK, TRACKED, UNTRACK, NOTICE, AWAIT, FINAL = range(56, 64)
CALL, REPLY, NOTE, HANGUP = range(64, 68)
_TYPES = frozenset((1, *range(16, 22), *range(32, 41), *range(48, 68)))

_HEAD = struct.Struct(">BBBBII")
_ERROR_CHARACTERS_MAX = 8_192
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Frame(NamedTuple):
    type: int
    flags: int
    header: bytes
    payload: bytes


def encode_frame(type: int, header: bytes = b"", payload: bytes = b"", flags: int = 0) -> bytes:
    """Raises MESSAGE_TOO_LARGE for what no reader takes."""
    if len(header) > HEADER_BYTES_MAX:
        raise too_large("frame.header", HEADER_BYTES_MAX)
    if len(payload) > FRAME_BYTES_MAX:
        raise too_large("frame.payload", FRAME_BYTES_MAX)
    return _HEAD.pack(1, type, 0, flags, len(header), len(payload)) + header + payload


class FrameParser:
    """Finds the frames in chunks that are cut anywhere."""

    def __init__(self, payload_max: int = FRAME_BYTES_MAX) -> None:
        self._payload_max = payload_max
        self._buffer = bytearray()

    @property
    def partial(self) -> int:
        """Bytes of a frame whose end has not come."""
        return len(self._buffer)

    def push(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that are complete with `chunk`. Raises as soon as a head is wrong."""
        buffer = self._buffer
        buffer += chunk
        at = 0
        try:
            while len(buffer) - at >= _HEAD.size:
                type, flags, header, payload = self._head(at)
                start = at + _HEAD.size
                if len(buffer) - start < header + payload:
                    break
                at = start + header + payload
                middle = start + header
                yield Frame(type, flags, bytes(buffer[start:middle]), bytes(buffer[middle:at]))
        finally:
            del buffer[:at]

    def _head(self, at: int) -> tuple[int, int, int, int]:
        version, type, suite, flags, header, payload = _HEAD.unpack_from(self._buffer, at)
        if version != 1:
            raise invalid("frame.version", f"1, found {version}", "INVALID_VERSION")
        if suite != 0:
            raise invalid("frame.suite", f"0, found {suite}", "INVALID_VERSION")
        if type not in _TYPES:
            raise invalid("frame.type", f"a known type, found {type}")
        if header > HEADER_BYTES_MAX:
            raise too_large("frame.header", HEADER_BYTES_MAX)
        if payload > self._payload_max:
            raise too_large("frame.payload", self._payload_max)
        return type, flags, header, payload


class Writer:
    """Fields written one after the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def u8(self, value: int) -> Writer:
        return self.raw(value.to_bytes(1, "big"))

    def u16(self, value: int) -> Writer:
        return self.raw(value.to_bytes(2, "big"))

    def u32(self, value: int) -> Writer:
        return self.raw(value.to_bytes(4, "big"))

    def u53(self, value: int) -> Writer:
        if type(value) is not int or not 0 <= value <= U53_MAX:
            raise invalid("number", f"a whole number from 0 to 2^53 - 1, found {value!r}")
        return self.raw(value.to_bytes(8, "big"))

    def text8(self, text: str) -> Writer:
        return self._text(text, 1)

    def text16(self, text: str) -> Writer:
        return self._text(text, 2)

    def error(self, error: ColloquyError) -> Writer:
        """What would be too long goes without its details, then with a shortened message."""
        data = error.to_data()
        text = _json(data)
        if len(text) > _ERROR_CHARACTERS_MAX:
            data.pop("details", None)
            text = _json(data)
        if len(text) > _ERROR_CHARACTERS_MAX:
            text = _json({**data, "message": error.message[: _ERROR_CHARACTERS_MAX // 8]})
        return self.text16(text)

    def raw(self, data: bytes) -> Writer:
        self._parts.append(data)
        return self

    def take(self) -> bytes:
        return b"".join(self._parts)

    def _text(self, text: str, width: int) -> Writer:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise invalid("text", "text that has UTF-8") from None
        if len(data) >= 1 << (8 * width):
            raise too_large("text", (1 << (8 * width)) - 1)
        return self.raw(len(data).to_bytes(width, "big") + data)


class Reader:
    """Fields read one after the other. Raises INVALID_MESSAGE for what is not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def raw(self, count: int) -> bytes:
        if count > self.left:
            raise invalid("header", f"{count} more bytes")
        self._at += count
        return self._data[self._at - count : self._at]

    def u8(self) -> int:
        return self.raw(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.raw(4), "big")

    def u53(self) -> int:
        value = int.from_bytes(self.raw(8), "big")
        if value > U53_MAX:
            raise invalid("number", "a whole number up to 2^53 - 1")
        return value

    def text8(self) -> str:
        return self._text(self.u8())

    def text16(self) -> str:
        return self._text(self.u16())

    def error(self) -> Any:
        """The JSON of an error, for `error_from`."""
        try:
            return json.loads(self.text16())
        except ValueError:
            raise invalid("error", "JSON") from None

    def _text(self, count: int) -> str:
        try:
            return self.raw(count).decode()
        except UnicodeDecodeError:
            raise invalid("text", "UTF-8") from None


def ulid() -> str:
    """26 characters: 10 of milliseconds since 1970, 16 random."""
    value = now_ms() << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def process_host() -> str:
    """What a process id is unique in: the machine, and on Linux its process namespace."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _json(data: Any) -> str:
    # Escaped: what an error says may have no UTF-8.
    return json.dumps(data, separators=(",", ":"), default=str)
