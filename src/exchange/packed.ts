/** Values at rest (results, store entries, log entries): one byte naming the codec, then the payload. */
import { ColloquyError } from "../errors.ts";
import type { PayloadCodec } from "../message/message.ts";
import { decodePayload, encodePayload } from "../message/payload.ts";

/** @throws SERIALIZATION_ERROR or MESSAGE_TOO_LARGE. */
export function packValue(value: unknown): Uint8Array {
  const { codec, bytes } = encodePayload(value);
  const packed = new Uint8Array(bytes.length + 1);
  packed[0] = codec;
  packed.set(bytes, 1);
  return packed;
}

/** @throws SERIALIZATION_ERROR when the bytes are not a packed value. */
export function unpackValue(packed: Uint8Array): unknown {
  const codec = packed[0];
  if (codec === undefined) throw new ColloquyError("SERIALIZATION_ERROR", "an empty value");
  return decodePayload({ codec: codec as PayloadCodec, compression: 0, bytes: packed.subarray(1) });
}
