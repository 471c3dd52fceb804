"""Messages: the envelope as a binary header, the payload behind it. See docs/protocol.md, "Messages"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import invalid, too_large
from .payload import PAYLOAD_BYTES_MAX, Payload, compress, encode_payload
from .wire import MESSAGE, U53_MAX, FrameParser, Reader, Writer, encode_frame

KINDS = (
    "",
    "request",
    "response",
    "event",
    "command",
    "notification",
    "heartbeat",
    "error",
    "batch",
    "control",
)
PRIORITIES = ("critical", "high", "normal", "low")
PATH_MAX = 64
RECIPIENTS_MAX = 1_024
HEADERS_MAX = 64
HEADERS_BYTES_MAX = 2**14

_ID = r"[A-Za-z0-9._\-/:@]{1,128}"
_TOKEN = r"[A-Za-z0-9_\-/:@]+"
_CONTROL_CHARACTERS = "\x00-\x1f\x7f-\x9f\ud800-\udfff"
#: What texts of each form look like, and how many bytes they may have.
_FORMS = {
    "id": (re.compile(_ID), 128, "1 to 128 characters of A-Z a-z 0-9 . _ - / : @"),
    "name": (
        re.compile(f"[^{_CONTROL_CHARACTERS}]+"),
        255,
        "1 to 255 bytes of UTF-8 without control characters",
    ),
    "topic": (re.compile(rf"{_TOKEN}(\.{_TOKEN}){{0,31}}"), 255, "a topic"),
    "pattern": (re.compile(rf"(({_TOKEN}|\*)(\.({_TOKEN}|\*)){{0,30}}(\.>)?)|>"), 255, "a pattern"),
    "address": (
        re.compile(f"(agent|type|skill|all):{_ID}"),
        134,
        "agent:, type:, skill: or all: and an id",
    ),
    "header name": (
        re.compile(r"(?!__proto__$)[A-Za-z0-9!#$%&'*+\-.^_`|~]+"),
        255,
        "a token of RFC 9110",
    ),
    "header value": (
        re.compile(f"[^{_CONTROL_CHARACTERS}]*"),
        HEADERS_BYTES_MAX,
        "UTF-8 without control characters",
    ),
}


def check(form: str, field: str, text: Any, code: str = "INVALID_MESSAGE") -> str:
    """Raises `code` naming `field` where `text` is not what `form` says."""
    pattern, bytes_max, expected = _FORMS[form]
    if not isinstance(text, str) or not pattern.fullmatch(text) or len(text.encode()) > bytes_max:
        raise invalid(field, f"{expected}, found {str(text)[:200]!r}", code)
    return text


class Sender(NamedTuple):
    agent: str
    type: str
    #: One life of one process: where replies go.
    instance: str


class Step(NamedTuple):
    """A handler on whose behalf a message was sent."""

    agent: str
    name: str


@dataclass(slots=True)
class Envelope:
    """Who, to whom, what, why, until when. Times are milliseconds."""

    id: str
    kind: str
    name: str
    sender: Sender
    to: tuple[str, ...]
    created_ms: int
    priority: str = "normal"
    ttl_ms: int | None = None
    deadline_ms: int | None = None
    timeout_ms: int | None = None
    sequence: int | None = None
    credit: int | None = None
    hops: int | None = None
    budget: int | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    conversation_id: str | None = None
    workflow_id: str | None = None
    causation_id: str | None = None
    key: str | None = None
    trace: str | None = None
    path: tuple[Step, ...] | None = None
    headers: dict[str, str] | None = None
    #: A chunk of an answer: more follows.
    partial: bool = False


class Message(NamedTuple):
    envelope: Envelope
    payload: Payload


#: Optional fields in the order of their bits, and what they hold.
_FIELDS = (
    ("ttl_ms", "u53"),
    ("deadline_ms", "u53"),
    ("timeout_ms", "u53"),
    ("sequence", "u53"),
    ("credit", "u53"),
    ("hops", "u53"),
    ("budget", "u53"),
    ("reply_to", "topic"),
    ("correlation_id", "id"),
    ("conversation_id", "id"),
    ("workflow_id", "id"),
    ("causation_id", "id"),
    ("key", "name"),
    ("trace", "name"),
    ("path", "path"),
    ("headers", "headers"),
)
_PARTIAL = 1 << len(_FIELDS)


def encode_message(envelope: Envelope, value: Any = None) -> bytes:
    """The frame of a message with `value` as its payload.

    Raises INVALID_MESSAGE naming the field, SERIALIZATION_ERROR, MESSAGE_TOO_LARGE.
    """
    payload = compress(encode_payload(value))
    fields = Writer()
    present = _PARTIAL if envelope.partial else 0
    for bit, (name, form) in enumerate(_FIELDS):
        field = getattr(envelope, name)
        if field is not None:
            _write(fields, name, form, field)
            present |= 1 << bit
    if len(envelope.to) > RECIPIENTS_MAX:
        raise invalid("to", f"at most {RECIPIENTS_MAX} addresses")
    head = Writer().u8(1).u8(0).u8(0).u8(KINDS.index(envelope.kind))
    head.u8(PRIORITIES.index(envelope.priority)).u8(payload.codec).u8(payload.compression).u8(0)
    head.u32(present).u53(envelope.created_ms).u16(0)
    head.text8("" if envelope.id == envelope.correlation_id else check("id", "id", envelope.id))
    head.text8(check("name", "name", envelope.name))
    for part, text in zip(Sender._fields, envelope.sender):
        head.text8(check("id", f"from.{part}", text))
    head.u16(len(envelope.to))
    for address in envelope.to:
        head.text8(check("address", "to", address))
    return encode_frame(MESSAGE, head.take() + fields.take(), payload.data)


def decode_message(data: bytes) -> Message:
    """Reads one whole MESSAGE frame. Raises INVALID_MESSAGE, INVALID_VERSION, MESSAGE_TOO_LARGE."""
    parser = FrameParser(PAYLOAD_BYTES_MAX)
    frames = list(parser.push(data))
    if len(frames) != 1 or parser.partial or frames[0].type != MESSAGE:
        raise invalid("frame", "one MESSAGE")
    reader = Reader(frames[0].header)
    if reader.raw(3) != b"\x01\x00\x00":
        raise invalid("version", "1.0.0", "INVALID_VERSION")
    kind, priority, codec, compression = reader.raw(4)
    if not 1 <= kind < len(KINDS) or priority >= len(PRIORITIES) or codec > 4 or compression > 2:
        raise invalid("header", "a known kind, priority, codec and compression")
    reader.u8()
    present, created_ms = reader.u32(), reader.u53()
    reader.raw(reader.u16())
    id, name = reader.text8(), check("name", "name", reader.text8())
    sender = Sender(*(check("id", f"from.{part}", reader.text8()) for part in Sender._fields))
    count = reader.u16()
    if count > RECIPIENTS_MAX:
        raise invalid("to", f"at most {RECIPIENTS_MAX} addresses")
    to = tuple(check("address", "to", reader.text8()) for _ in range(count))
    envelope = Envelope(id, KINDS[kind], name, sender, to, created_ms, PRIORITIES[priority])
    for bit, (field, form) in enumerate(_FIELDS):
        if present & (1 << bit):
            setattr(envelope, field, _read(reader, field, form))
    envelope.partial = bool(present & _PARTIAL)
    envelope.id = check("id", "id", id or envelope.correlation_id)
    return Message(envelope, Payload(codec, frames[0].payload, compression))


def _write(writer: Writer, field: str, form: str, value: Any) -> None:
    if form == "u53":
        if type(value) is not int or not 0 <= value <= U53_MAX:
            raise invalid(field, f"a whole number from 0 to 2^53 - 1, found {value!r}")
        writer.u53(value)
    elif form == "path":
        if len(value) > PATH_MAX:
            raise invalid(field, f"at most {PATH_MAX} handlers")
        writer.u8(len(value))
        for agent, name in value:
            writer.text8(check("id", field, agent)).text8(check("name", field, name))
    elif form == "headers":
        _check_headers(value)
        writer.u8(len(value))
        for name, text in value.items():
            writer.text8(name).text16(text)
    else:
        writer.text8(check(form, field, value))


def _read(reader: Reader, field: str, form: str) -> Any:
    if form == "u53":
        return reader.u53()
    if form not in ("path", "headers"):
        return check(form, field, reader.text8())
    count = reader.u8()
    if count > PATH_MAX:
        raise invalid(field, f"at most {PATH_MAX}")
    if form == "path":
        steps = [(reader.text8(), reader.text8()) for _ in range(count)]
        return tuple(Step(check("id", field, a), check("name", field, n)) for a, n in steps)
    pairs = [(reader.text8(), reader.text16()) for _ in range(count)]
    headers = dict(pairs)
    if len(headers) != count:
        raise invalid(field, "each name once")
    _check_headers(headers)
    return headers


def _check_headers(headers: dict[str, str]) -> None:
    if len(headers) > HEADERS_MAX:
        raise invalid("headers", f"at most {HEADERS_MAX}")
    size = 0
    for name, text in headers.items():
        check("header name", "headers", name)
        size += len(name) + len(check("header value", f"headers.{name}", text).encode())
    if size > HEADERS_BYTES_MAX:
        raise too_large("headers", HEADERS_BYTES_MAX)
