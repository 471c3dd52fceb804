/**
 * Payloads as bytes. The codec is chosen by what the payload is, and its number travels in the header:
 *
 *   0 none          undefined; no bytes
 *   1 json          JSON, UTF-8: what any tool can read
 *   2 bytes         the payload is a byte array, sent as it is
 *   3 jsonAndBytes  plain data with byte arrays inside
 *
 *   jsonAndBytes = jsonLength json bytes*      jsonLength  u32
 *   json         = {"value": V, "bytes": [[path, length], ...]}
 *
 * V is the payload with null in place of each byte array; `path` leads to that null as an array of keys
 * and indexes, `length` says how many of the trailing bytes belong there. Nothing in V is special, so
 * nothing needs escaping. At most 1,024 byte arrays.
 */
import { readUint32 } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { decompressPayload } from "./compression.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { payloadByteArraysMax, payloadBytesMax, payloadDepthMax } from "./limits.ts";
import { compressions, type EncodedPayload, type PayloadCodec, payloadCodecs } from "./message.ts";
import { assertPlain } from "./plain.ts";
import { decodeUtf8, encodeUtf8 } from "./text.ts";

/**
 * @throws SERIALIZATION_ERROR with `details.path` at what is not plain data, MESSAGE_TOO_LARGE above
 *   `bytesMax`.
 */
export function encodePayload(value: unknown, bytesMax: number = payloadBytesMax): EncodedPayload {
  const payload = encode(value, bytesMax);
  if (payload.bytes.length > bytesMax) {
    throw tooLarge("payload", bytesMax, "bytes", payload.bytes.length);
  }
  return payload;
}

/**
 * The value that was encoded, decompressed first. It shares no memory with the frame: what lies beside
 * it in the same chunk is not the receiver's to see.
 *
 * @throws INVALID_MESSAGE for damaged bytes, SERIALIZATION_ERROR for data that no sender may send (a key
 *   `__proto__`, nesting deeper than 64), MESSAGE_TOO_LARGE for more than `bytesMax` once decompressed.
 */
export function decodePayload(
  payload: EncodedPayload,
  bytesMax: number = payloadBytesMax,
): unknown {
  const { codec, bytes } = decompressPayload(payload, bytesMax);
  switch (codec) {
    case payloadCodecs.none:
      if (bytes.length > 0) throw invalidMessage("payload", "no bytes");
      return undefined;
    case payloadCodecs.json: {
      const value = parseJson(bytes, 0, bytes.length);
      assertPlain(value);
      return value;
    }
    case payloadCodecs.bytes:
      return new Uint8Array(bytes);
    case payloadCodecs.jsonAndBytes:
      return decodeJsonAndBytes(bytes);
    default:
      throw invalidMessage("codec", "a codec of values; a batch is read with decodeBatch");
  }
}

function encode(value: unknown, bytesMax: number): EncodedPayload {
  if (value === undefined) return encoded(payloadCodecs.none, noBytes);
  if (value instanceof Uint8Array) return encoded(payloadCodecs.bytes, value);
  if (assertPlain(value)) return encodeJsonAndBytes(value as object);
  const json = JSON.stringify(value);
  // Each character takes a byte or more.
  if (json.length > bytesMax) throw tooLarge("payload", bytesMax, "bytes");
  if (json.length > pooledCharactersMax) return encoded(payloadCodecs.json, encodeUtf8(json));
  writer.text(json);
  return encoded(payloadCodecs.json, writer.take());
}

function encoded(codec: PayloadCodec, bytes: Uint8Array): EncodedPayload {
  return { codec, compression: compressions.none, bytes };
}

/** Takes short payloads one behind the other: making an array for each costs more than encoding it. */
const writer: ByteWriter = new ByteWriter();

const pooledCharactersMax = 4_096;

const noBytes = new Uint8Array(0);

type Path = readonly (string | number)[];

/** The JSON part of `jsonAndBytes`. */
interface Skeleton {
  readonly value: unknown;
  readonly bytes: readonly (readonly [path: Path, length: number])[];
}

function encodeJsonAndBytes(value: object): EncodedPayload {
  const lifted: (readonly [path: Path, bytes: Uint8Array])[] = [];
  const bare = lift(value, [], lifted);
  if (lifted.length > payloadByteArraysMax) {
    throw tooLarge("payload", payloadByteArraysMax, "byte arrays", lifted.length);
  }
  const skeleton: Skeleton = {
    value: bare,
    bytes: lifted.map(([path, bytes]) => [path, bytes.length]),
  };
  const json = encodeUtf8(JSON.stringify(skeleton));
  const length = lifted.reduce((sum, [, bytes]) => sum + bytes.length, 4 + json.length);
  const payload = new Uint8Array(length);
  new DataView(payload.buffer).setUint32(0, json.length);
  payload.set(json, 4);
  let at = 4 + json.length;
  for (const [, bytes] of lifted) {
    payload.set(bytes, at);
    at += bytes.length;
  }
  return encoded(payloadCodecs.jsonAndBytes, payload);
}

/** A copy with null for each byte array, which goes to `lifted`. */
function lift(value: unknown, path: Path, lifted: (readonly [Path, Uint8Array])[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    lifted.push([path, value]);
    return null;
  }
  if (Array.isArray(value))
    return value.map((inner, index) => lift(inner, [...path, index], lifted));
  const bare: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) bare[key] = lift(inner, [...path, key], lifted);
  return bare;
}

function decodeJsonAndBytes(payload: Uint8Array): unknown {
  if (payload.length < 4) throw invalidMessage("payload", "4 bytes or more");
  const jsonLength = readUint32(payload, 0);
  if (jsonLength > payload.length - 4) {
    throw invalidMessage("payload", `${jsonLength} bytes of JSON, found ${payload.length - 4}`);
  }
  let at = 4 + jsonLength;
  const skeleton = parseJson(payload, 4, at);
  assertPlain(skeleton);
  if (!isSkeleton(skeleton)) throw invalidMessage("payload", "value and bytes");
  for (const [path, length] of skeleton.bytes) {
    if (length > payload.length - at) throw invalidMessage("payload", "all of its byte arrays");
    place(skeleton.value, path, new Uint8Array(payload.subarray(at, at + length)));
    at += length;
  }
  if (at !== payload.length) throw invalidMessage("payload", "no bytes after its byte arrays");
  return skeleton.value;
}

function isSkeleton(json: unknown): json is Skeleton {
  if (typeof json !== "object" || json === null || !Object.hasOwn(json, "value")) return false;
  const { bytes } = json as Partial<Skeleton>;
  return Array.isArray(bytes) && bytes.length <= payloadByteArraysMax && bytes.every(isLiftedPlace);
}

function isLiftedPlace(place: unknown): boolean {
  if (!Array.isArray(place) || place.length !== 2) return false;
  const [path, length] = place as readonly unknown[];
  if (!Array.isArray(path) || path.length === 0 || path.length > payloadDepthMax) return false;
  return Number.isSafeInteger(length) && (length as number) >= 0;
}

/** Puts `bytes` where `path` leads, which must be a null that is there. */
function place(value: unknown, path: Path, bytes: Uint8Array): void {
  let around = value;
  for (let step = 0; ; step++) {
    const key = path[step] as string | number;
    if (!holds(around, key)) throw invalidMessage("payload", "paths that lead to a null");
    const properties = around as Record<string | number, unknown>;
    if (step < path.length - 1) {
      around = properties[key];
    } else if (properties[key] === null) {
      properties[key] = bytes;
      return;
    } else {
      throw invalidMessage("payload", "paths that lead to a null");
    }
  }
}

function holds(value: unknown, key: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  const rightKind = Array.isArray(value) ? Number.isSafeInteger(key) : typeof key === "string";
  return rightKind && Object.hasOwn(value, key as PropertyKey);
}

function parseJson(bytes: Uint8Array, start: number, end: number): unknown {
  const text = decodeUtf8("payload", bytes, start, end);
  try {
    return JSON.parse(text);
  } catch {
    throw invalidMessage("payload", "valid JSON");
  }
}
