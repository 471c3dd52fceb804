"""clients/vectors.json: bytes that every client must read and write alike."""

from __future__ import annotations

import json
import random
import unittest
from pathlib import Path
from typing import Any

from colloquy import ColloquyError, wire
from colloquy.message import _FIELDS, Envelope, decode_message, encode_message
from colloquy.payload import ZSTD, Payload, encode_payload, pack, unpack
from colloquy.wire import FrameParser, encode_frame

VECTORS = json.loads(Path(__file__).parents[2].joinpath("vectors.json").read_text())


def value_of(data: Any) -> Any:
    if isinstance(data, list):
        return [value_of(it) for it in data]
    if not isinstance(data, dict):
        return data
    if set(data) == {"$hex"}:
        return bytes.fromhex(data["$hex"])
    return {key: value_of(it) for key, it in data.items()}


def fields_of(envelope: Envelope) -> dict[str, Any]:
    """As the vectors name them."""
    fields: dict[str, Any] = {
        "version": "1.0.0",
        "id": envelope.id,
        "kind": envelope.kind,
        "name": envelope.name,
        "from": envelope.sender._asdict(),
        "to": list(envelope.to),
        "createdMs": envelope.created_ms,
        "priority": envelope.priority,
    }
    if envelope.partial:
        fields["status"] = "partial"
    for name, _ in _FIELDS:
        value = getattr(envelope, name)
        if name == "path" and value is not None:
            value = [it._asdict() for it in value]
        if value is not None:
            fields[camel(name)] = value
    return fields


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(it.capitalize() for it in rest)


class Vectors(unittest.TestCase):
    def each(self, kind: str) -> Any:
        for vector in VECTORS[kind]:
            with self.subTest(kind=kind, name=vector["name"]):
                yield vector, bytes.fromhex(vector["hex"])

    def test_frames(self) -> None:
        for vector, data in self.each("frames"):
            type = getattr(wire, vector["type"])
            header, payload = bytes.fromhex(vector["header"]), bytes.fromhex(vector["payload"])
            parser = FrameParser()
            frames = [frame for byte in data for frame in parser.push(bytes((byte,)))]
            self.assertEqual(frames, [(type, vector["flags"], header, payload)])
            self.assertEqual(encode_frame(type, header, payload, vector["flags"]), data)

    def test_messages(self) -> None:
        for vector, data in self.each("messages"):
            envelope, payload = decode_message(data)
            self.assertEqual(fields_of(envelope), vector["envelope"])
            if payload.codec == 4:
                continue  # A batch, which agents do not send.
            value = payload.decode()
            self.assertEqual(value, value_of(vector.get("value")))
            if not vector.get("readOnly") and not (value is None and "value" in vector):
                self.assertEqual(encode_message(envelope, value).hex(), data.hex())

    def test_payloads(self) -> None:
        for vector, data in self.each("payloads"):
            payload = Payload(vector["codec"], data, vector["compression"])
            if payload.compression == ZSTD:
                continue  # Not in the standard library.
            value = payload.decode()
            self.assertEqual(value, value_of(vector.get("value")))
            # None is nothing: null alone cannot be sent from Python.
            if not vector.get("readOnly") and vector["name"] != "null":
                self.assertEqual(encode_payload(value), payload)

    def test_packed_values(self) -> None:
        for vector, data in self.each("packed"):
            self.assertEqual(unpack(data), value_of(vector.get("value")))
            if vector["name"] != "null":
                self.assertEqual(pack(value_of(vector.get("value"))), data)

    def test_what_is_malformed_is_refused(self) -> None:
        for vector, data in self.each("malformed"):
            if vector["as"] == "frame" and (vector.get("beforeWelcome") or ":" in vector["name"]):
                continue  # What only a hub reads, or only what is behind the head is wrong.
            with self.assertRaises(ColloquyError) as caught:
                if vector["as"] == "frame":
                    list(FrameParser().push(data))
                elif vector["as"] == "message":
                    decode_message(data)
                else:
                    Payload(vector["codec"], data, vector["compression"]).decode()
            self.assertEqual(caught.exception.code, vector["error"]["code"])

    def test_no_bytes_raise_anything_but_an_error_with_a_code(self) -> None:
        chance = random.Random(17)
        texts = (
            b'{"a":1e999}',
            b"1" * 5_000,
            b"[" * 2_000,
            b'"\\ud800"',
            b"NaN",
            b"-" * 9,
            b"9" * 399,
        )
        for text in texts:
            self.read(lambda: Payload(1, text).decode())
        for kind, name in (("messages", "message"), ("frames", "frame"), ("payloads", "payload")):
            for vector in VECTORS[kind] * 20:
                data = bytearray.fromhex(vector["hex"])
                for _ in range(chance.randint(1, 3)):
                    if data:
                        data[chance.randrange(len(data))] = chance.choice(
                            (0, 1, 0x7F, 0xFF, chance.randrange(256))
                        )
                whole = bytes(data[: chance.choice((len(data), chance.randint(0, len(data))))])
                self.read(lambda: read_as(name, vector, whole))

    def read(self, read: Any) -> None:
        try:
            read()
        except ColloquyError:
            pass


def read_as(kind: str, vector: Any, data: bytes) -> None:
    if kind == "message":
        decode_message(data).payload.decode()
    elif kind == "frame":
        list(FrameParser().push(data))
    else:
        Payload(vector["codec"], data, vector["compression"]).decode()


if __name__ == "__main__":
    unittest.main()
