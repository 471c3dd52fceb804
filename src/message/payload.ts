/**
 * Payloads as bytes. The codec is chosen by what the payload is, and its number travels in the header:
 *
 *   0 none          undefined; no bytes
 *   1 json          JSON, UTF-8: what any tool can read
 *   2 bytes         the payload is a byte array, sent as it is
 *   3 jsonAndBytes  plain data with byte arrays inside: see json-and-bytes.ts
 */
import { ByteWriter } from "./byte-writer.ts";
import { decompressPayload } from "./compression.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { decodeJson } from "./json.ts";
import { decodeJsonAndBytes, encodeJsonAndBytes } from "./json-and-bytes.ts";
import { payloadBytesMax } from "./limits.ts";
import {
  compressions,
  type EncodedPayload,
  type PayloadCodec,
  PayloadInFrame,
  payloadCodecs,
} from "./message.ts";
import { assertPlain } from "./plain.ts";
import { encodeUtf8 } from "./text.ts";

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
  const plain = decompressPayload(payload, bytesMax);
  const { codec } = plain;
  if (codec === payloadCodecs.json && plain instanceof PayloadInFrame) {
    const { chunk, payloadStart, end } = plain.frame;
    return decodeJson(chunk, payloadStart, end);
  }
  const { bytes } = plain;
  switch (codec) {
    case payloadCodecs.none:
      if (bytes.length > 0) throw invalidMessage("payload", "no bytes");
      return undefined;
    case payloadCodecs.json:
      return decodeJson(bytes);
    case payloadCodecs.bytes:
      return new Uint8Array(bytes);
    case payloadCodecs.jsonAndBytes:
      return decodeJsonAndBytes(bytes);
    default:
      throw invalidMessage("codec", "a codec of values; a batch is read with decodeBatch");
  }
}

/** The JSON of what JSON alone can carry, else undefined. @throws like `encodePayload`. */
export function jsonOf(value: unknown): string | undefined {
  if (value === undefined || value instanceof Uint8Array || assertPlain(value)) return undefined;
  return JSON.stringify(value);
}

/** @param json - the JSON of the payload. */
export function encodeJson(json: string, bytesMax: number = payloadBytesMax): EncodedPayload {
  // Each character takes a byte or more.
  if (json.length > bytesMax) throw tooLarge("payload", bytesMax, "bytes");
  if (json.length > pooledCharactersMax) return encoded(payloadCodecs.json, encodeUtf8(json));
  writer.text(json);
  return encoded(payloadCodecs.json, writer.take());
}

function encoded(codec: PayloadCodec, bytes: Uint8Array): EncodedPayload {
  return { codec, compression: compressions.none, bytes };
}

function encode(value: unknown, bytesMax: number): EncodedPayload {
  const json = jsonOf(value);
  if (json !== undefined) return encodeJson(json, bytesMax);
  if (value === undefined) return encoded(payloadCodecs.none, noBytes);
  if (value instanceof Uint8Array) return encoded(payloadCodecs.bytes, value);
  return encoded(payloadCodecs.jsonAndBytes, encodeJsonAndBytes(value as object));
}

/** Takes short payloads one behind the other: making an array for each costs more than encoding it. */
const writer: ByteWriter = new ByteWriter();

const pooledCharactersMax = 4_096;

const noBytes = new Uint8Array(0);
