/**
 * Plain data with byte arrays inside: JSON without them, and the byte arrays behind it.
 *
 *   jsonAndBytes = valueLength value placesLength places bytes*     lengths u32
 *   value        = JSON: the payload with null in place of each byte array
 *   places       = JSON: [[path, length], ...]
 *
 * `path` leads to one of those nulls as an array of keys and indexes, `length` says how many of the
 * trailing bytes belong there. Nothing in `value` is special, so nothing needs escaping. At most 1,024
 * byte arrays.
 */
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { decodeJson } from "./json.ts";
import { payloadByteArraysMax, payloadDepthMax } from "./limits.ts";
import { encodeUtf8 } from "./text.ts";

type Path = readonly (string | number)[];

type Place = readonly [path: Path, length: number];

/** @param value - plain data. @throws MESSAGE_TOO_LARGE for more than 1,024 byte arrays. */
export function encodeJsonAndBytes(value: object): Uint8Array {
  const lifted: Lifted[] = [];
  const bare = JSON.stringify(lift(value, [], lifted));
  if (lifted.length > payloadByteArraysMax) {
    throw tooLarge("payload", payloadByteArraysMax, "byte arrays", lifted.length);
  }
  const places: readonly Place[] = lifted.map(([path, bytes]) => [path, bytes.length]);
  const writer = new ByteWriter();
  for (const json of [encodeUtf8(bare), encodeUtf8(JSON.stringify(places))]) {
    writer.uint32(json.length);
    writer.bytes(json);
  }
  for (const [, bytes] of lifted) writer.bytes(bytes);
  return writer.take();
}

type Lifted = readonly [path: Path, bytes: Uint8Array];

/** A copy with null for each byte array, which goes to `lifted`. */
function lift(value: unknown, path: Path, lifted: Lifted[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    lifted.push([path, value]);
    return null;
  }
  if (Array.isArray(value)) {
    return value.map((inner, index) => lift(inner, [...path, index], lifted));
  }
  const bare: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) bare[key] = lift(inner, [...path, key], lifted);
  return bare;
}

/** @throws INVALID_MESSAGE for damaged bytes, and like `decodeJson`. */
export function decodeJsonAndBytes(payload: Uint8Array): unknown {
  const reader = new ByteReader(payload);
  const value = decodeJson(reader.bytes("payload", reader.uint32("payload")));
  const places = decodeJson(reader.bytes("payload", reader.uint32("payload")));
  if (!arePlaces(places)) throw invalidMessage("payload", "a place for each byte array");
  for (const [path, length] of places) {
    place(value, path, new Uint8Array(reader.bytes("payload", length)));
  }
  if (reader.left > 0) throw invalidMessage("payload", "no bytes after its byte arrays");
  return value;
}

function arePlaces(json: unknown): json is readonly Place[] {
  return Array.isArray(json) && json.length <= payloadByteArraysMax && json.every(isPlace);
}

function isPlace(json: unknown): json is Place {
  if (!Array.isArray(json) || json.length !== 2) return false;
  const [path, length] = json as readonly unknown[];
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
