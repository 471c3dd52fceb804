/** The key under which an exactly-once id is remembered: 128 bits of the id, bound to its queue. */
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeUtf8 } from "../../message/text.ts";
import { builtin } from "../../runtime/builtin.ts";
import type { MarkerKey } from "./marker-table.ts";

const createHash = builtin("node:crypto")?.createHash;

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ulidCharacters = 26;

/** Value of each ASCII character in Crockford's base 32; 255 for the others. */
const values: Uint8Array = new Uint8Array(128).fill(255);
for (let value = 0; value < alphabet.length; value++) values[alphabet.charCodeAt(value)] = value;

/**
 * A ULID is 128 bits, most of them random, as it stands; of any other id the first 128 bits of its
 * SHA-256 are taken.
 *
 * @param key - filled in.
 */
export function markerKey(key: MarkerKey, queueNumber: number, id: string): void {
  if (!decodeUlid(key, id)) {
    digestId(key, id);
  }
  // One to one for 2^32 queues: an id that is sent to two queues has two keys.
  key[0] = (key[0] as number) ^ Math.imul(queueNumber, 0x9e3779b1);
}

function digestId(key: MarkerKey, id: string): void {
  const digest = createHash?.("sha256").update(id).digest() ?? sha256(encodeUtf8(id));
  const { buffer, byteOffset } = digest;
  const words = new DataView(buffer, byteOffset);
  for (let word = 0; word < 4; word++) key[word] = words.getUint32(4 * word);
}

function decodeUlid(key: MarkerKey, id: string): boolean {
  if (id.length !== ulidCharacters || id > "8") return false;
  // 26 characters of 5 bits are 130: the first has only 3 that count.
  let bits = 0;
  let pending = 0;
  let word = 0;
  for (let index = 0; index < ulidCharacters; index++) {
    const value = values[id.charCodeAt(index)] ?? 255;
    if (value === 255) return false;
    const take = index === 0 ? 3 : 5;
    const room = 32 - bits;
    if (take < room) {
      pending = (pending << take) | value;
      bits += take;
    } else {
      const rest = take - room;
      key[word++] = (room === 32 ? 0 : pending << room) | (value >>> rest);
      pending = value & ((1 << rest) - 1);
      bits = rest;
    }
  }
  return true;
}
