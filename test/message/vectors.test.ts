import { expect, test } from "vitest";
import { frameVectors, refusalOf, vectorsFile } from "../../scripts/vectors/document.ts";
import { malformedVectors } from "../../scripts/vectors/malformed.ts";
import { messageVectors } from "../../scripts/vectors/messages.ts";
import { packedVectors, payloadVectors } from "../../scripts/vectors/payloads.ts";
import { unportable, written } from "../../scripts/vectors/vector.ts";
import { unpackValue } from "../../src/exchange/packed.ts";
import { controlNames } from "../../src/exchange/requests/control.ts";
import { decodeBatch } from "../../src/message/batch.ts";
import { decodeMessage, encodeValue } from "../../src/message/envelope-codec.ts";
import { kinds } from "../../src/message/envelope-fields.ts";
import { frameAt, frameTypes } from "../../src/message/frame.ts";
import { payloadCodecs } from "../../src/message/message.ts";
import { decodePayload } from "../../src/message/payload.ts";
import { bodyOf } from "../support/frame-grammar.ts";
import { read } from "../support/repository.ts";

interface Stored {
  readonly frames: readonly {
    readonly name: string;
    readonly type: keyof typeof frameTypes;
    readonly hex: string;
    readonly header: string;
    readonly payload: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
  readonly messages: readonly { readonly hex: string; readonly value?: unknown }[];
}

const text = read("clients/vectors.json");
const stored = JSON.parse(text) as Stored;

test("clients/vectors.json is what scripts/vectors.ts writes, which plays its sessions to a hub", async () => {
  expect(await vectorsFile()).toBe(text);
});

test("there are vectors for every type of frame, kind of message and control", () => {
  const types = new Set(["MESSAGE", ...frameVectors.map(({ type }) => type)]);
  expect([...types].sort()).toEqual(Object.keys(frameTypes).sort());
  const envelopes = messageVectors.map(({ envelope }) => envelope);
  expect(new Set(envelopes.map(({ kind }) => kind))).toEqual(new Set(kinds.slice(1)));
  const controls = envelopes.filter(({ kind }) => kind === "control");
  expect(controls.map(({ name }) => name)).toEqual(controlNames);
});

for (const vector of frameVectors) {
  test(`frame: ${vector.name}`, () => {
    const frame = frameAt(written(vector.write));
    expect(copied(vector.read(frame))).toEqual(
      copied("found" in vector ? vector.found : vector.fields),
    );
  });
}

test("the grammar in docs/protocol.md makes the same headers of the fields", () => {
  const page = read("docs/protocol.md");
  for (const { name, type, header, payload, fields } of stored.frames) {
    const made = bodyOf(page, type, unportable(fields) as Readonly<Record<string, unknown>>);
    expect(made.header, name).toBe(header);
    if (made.payload !== undefined) expect(made.payload, name).toBe(payload);
  }
});

for (const { name, envelope, value, bytes, readOnly } of messageVectors) {
  test(`message: ${name}`, () => {
    const message = decodeMessage(bytes);
    expect(message.envelope).toEqual(envelope);
    const found =
      message.payload.codec === payloadCodecs.frames
        ? decodeBatch(message.payload).map((frame) => new Uint8Array(frame.bytes))
        : decodePayload(message.payload);
    expect(found).toEqual(value);
    if (readOnly || envelope.kind === "batch") return;
    expect(encodeValue(envelope, unportable(storedMessage(name).value))).toEqual(bytes);
  });
}

function storedMessage(name: string): Stored["messages"][number] {
  const index = messageVectors.findIndex((vector) => vector.name === name);
  return stored.messages[index] as Stored["messages"][number];
}

test("payloads and values at rest", () => {
  for (const { name, codec, compression, value, bytes } of payloadVectors) {
    const payload = { codec, compression, bytes } as Parameters<typeof decodePayload>[0];
    expect(decodePayload(payload), name).toEqual(value);
  }
  for (const { name, value, bytes } of packedVectors) {
    expect(unpackValue(bytes), name).toEqual(value);
  }
});

for (const { name, code, read: readMalformed } of malformedVectors) {
  test(`malformed: ${name}: ${code}`, () => {
    refusalOf(readMalformed, code, name);
  });
}

/** Views of one chunk as arrays of their own, so that they can be compared. */
function copied(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(copied);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copied(inner)]));
}
