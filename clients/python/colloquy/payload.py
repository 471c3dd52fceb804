"""Payloads as bytes and back. See docs/protocol.md, "Payloads"."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any, NamedTuple

from .errors import ColloquyError, invalid, too_large
from .wire import U53_MAX, Reader, Writer

NONE, JSON, BYTES, JSON_AND_BYTES, FRAMES = range(5)
PLAIN, GZIP, ZSTD = range(3)

PAYLOAD_BYTES_MAX = 2**20
DEPTH_MAX = 64
VALUES_MAX = 2**20
BYTE_ARRAYS_MAX = 1_024
#: Shorter payloads are not compressed.
COMPRESSION_BYTES_MIN = 2**13

Path = tuple[str | int, ...]


class Payload(NamedTuple):
    """A payload that is not decoded yet."""

    codec: int
    data: bytes
    compression: int = PLAIN

    def decode(self, limit: int = PAYLOAD_BYTES_MAX) -> Any:
        """The value; `None` where there is none. Byte arrays are `bytes`.

        Raises INVALID_MESSAGE, SERIALIZATION_ERROR or MESSAGE_TOO_LARGE for what nobody may send, and for zstd.
        """
        data = _decompress(self, limit)
        if self.codec == NONE and not data:
            return None
        if self.codec == JSON:
            return _load(data)
        if self.codec == BYTES:
            return data
        if self.codec == JSON_AND_BYTES:
            return _place_bytes(data)
        raise invalid("codec", "one of a value, and its bytes")


def encode_payload(value: Any, limit: int = PAYLOAD_BYTES_MAX) -> Payload:
    """Encodes plain data; `None` alone is no payload.

    Raises SERIALIZATION_ERROR with `details["path"]` at what is not plain, MESSAGE_TOO_LARGE.
    """
    lifted: list[tuple[Path, bytes]] = []
    if value is None:
        payload = Payload(NONE, b"")
    elif isinstance(value, (bytes, bytearray, memoryview)):
        payload = Payload(BYTES, bytes(value))
    else:
        bare = _dump(_Plain(lifted).walk(value, ()))
        payload = Payload(JSON, bare)
        if lifted:
            places = _dump([[list(path), len(data)] for path, data in lifted])
            head = Writer().u32(len(bare)).raw(bare).u32(len(places)).raw(places).take()
            payload = Payload(JSON_AND_BYTES, b"".join((head, *(data for _, data in lifted))))
    if len(payload.data) > limit:
        raise too_large("payload", limit)
    return payload


def compress(payload: Payload) -> Payload:
    """With gzip where it is long, and that helps by an eighth."""
    if len(payload.data) < COMPRESSION_BYTES_MIN:
        return payload
    packer = zlib.compressobj(3, zlib.DEFLATED, 31)
    packed = packer.compress(payload.data) + packer.flush()
    return (
        payload._replace(data=packed, compression=GZIP)
        if len(packed) * 8 <= len(payload.data) * 7
        else payload
    )


def pack(value: Any) -> bytes:
    """A value at rest: its codec, then its bytes."""
    payload = encode_payload(value)
    return bytes((payload.codec,)) + payload.data


def unpack(packed: bytes) -> Any:
    if not packed:
        raise invalid("payload", "a codec")
    return Payload(packed[0], bytes(packed[1:])).decode()


def _decompress(payload: Payload, limit: int) -> bytes:
    if payload.compression == PLAIN:
        return payload.data
    if payload.compression != GZIP:
        raise invalid("payload", "no compression or gzip; zstd is not read here")
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(payload.data, limit + 1)
    except zlib.error:
        raise invalid("payload", "undamaged compressed bytes") from None
    if len(plain) > limit:
        raise too_large("payload", limit, "bytes after decompression")
    if not unpacker.eof or unpacker.unused_data:
        raise invalid("payload", "undamaged compressed bytes")
    return plain


class _Plain:
    """Checks that a value is plain data, and lifts byte arrays out of it."""

    def __init__(self, lifted: list[tuple[Path, bytes]]) -> None:
        self._lifted = lifted
        self._values = 0

    def walk(self, value: Any, path: Path) -> Any:
        self._values += 1
        if self._values > VALUES_MAX:
            raise too_large("payload", VALUES_MAX, "values")
        if len(path) > DEPTH_MAX:
            raise _not_plain(path, f"nested deeper than {DEPTH_MAX}")
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            if abs(value) > U53_MAX:
                raise _not_plain(path, "a whole number beyond 2^53 - 1")
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise _not_plain(path, "a number that is not finite")
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            self._lifted.append((path, bytes(value)))
            if len(self._lifted) > BYTE_ARRAYS_MAX:
                raise too_large("payload", BYTE_ARRAYS_MAX, "byte arrays")
            return None
        if isinstance(value, (list, tuple)):
            return [self.walk(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._property(key, value[key], path) for key in value}
        raise _not_plain(path, f"of type {type(value).__name__}")

    def _property(self, key: Any, inner: Any, path: Path) -> Any:
        if not isinstance(key, str):
            raise _not_plain(path, f"an object with the key {key!r}")
        if key == "__proto__":
            raise _not_plain((*path, key), "a key that is not allowed")
        return self.walk(inner, (*path, key))


def _not_plain(path: Path, what: str) -> ColloquyError:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    message = f"{text or 'the payload'} is {what}"
    return ColloquyError("SERIALIZATION_ERROR", message, details={"path": text})


def _dump(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # A lone surrogate has no UTF-8; escaped it arrives as it was.
        return json.dumps(value, separators=(",", ":")).encode()


def _load(data: bytes) -> Any:
    try:
        value = json.loads(data.decode(), parse_constant=_refuse, parse_int=_number)
        _Plain([]).walk(value, ())
        return value
    except RecursionError:
        raise _not_plain((), f"nested deeper than {DEPTH_MAX}") from None
    except ValueError:
        raise invalid("payload", "JSON") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _number(digits: str) -> int | float:
    """Whole numbers that others can only have as floating point come as such."""
    if len(digits) <= 17 and abs(value := int(digits)) <= U53_MAX:
        return value
    return float(digits)


def _place_bytes(data: bytes) -> Any:
    reader = Reader(data)
    value = _load(reader.raw(reader.u32()))
    places = _load(reader.raw(reader.u32()))
    try:
        if len(places) > BYTE_ARRAYS_MAX:
            raise ValueError
        for path, length in places:
            holder = value
            for key in path[:-1]:
                holder = holder[_step(holder, key)]
            last = _step(holder, path[-1])
            if holder[last] is not None or type(length) is not int or length < 0:
                raise ValueError
            holder[last] = reader.raw(length)
    except (ValueError, TypeError, LookupError):
        raise invalid("payload", "a place for each byte array") from None
    if reader.left:
        raise invalid("payload", "no bytes after its byte arrays")
    return value


def _step(holder: Any, key: Any) -> Any:
    """A key of an object or an index of an array, and nothing else that Python would take."""
    fits = isinstance(holder, dict) and isinstance(key, str)
    if not fits and not (isinstance(holder, list) and type(key) is int and key >= 0):
        raise ValueError
    return key
