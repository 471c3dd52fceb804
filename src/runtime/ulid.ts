/**
 * Identifiers that begin with their time: 10 characters of milliseconds, 16 of randomness, in
 * Crockford's base 32.
 *
 * @see the ULID specification, without its monotonic variant: ids must not be guessable.
 */
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Character codes of the alphabet. */
const codes = Uint8Array.from(alphabet, (character) => character.charCodeAt(0));

const timeCharacters = 10;

export type IdSource = () => string;

/** An id is made in one piece: one put together from pieces is put together again when it is first read. */
export function ulidSource(clock: Pick<Clock, "nowMs">, random: Random): IdSource {
  let stampMs = -1;
  const stamp = new Uint8Array(timeCharacters);
  const timeCode = (index: number): number => stamp[index] as number;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs !== stampMs) {
      stampMs = nowMs;
      writeTime(stamp, nowMs);
    }
    const a = random.uint32();
    const b = random.uint32();
    const c = random.uint32();
    // biome-ignore format: 10 characters of time, then two for every ten bits.
    return String.fromCharCode(
      timeCode(0), timeCode(1), timeCode(2), timeCode(3), timeCode(4),
      timeCode(5), timeCode(6), timeCode(7), timeCode(8), timeCode(9),
      codeOf(a >>> 5), codeOf(a), codeOf(a >>> 15), codeOf(a >>> 10), codeOf(a >>> 25), codeOf(a >>> 20),
      codeOf(b >>> 5), codeOf(b), codeOf(b >>> 15), codeOf(b >>> 10), codeOf(b >>> 25), codeOf(b >>> 20),
      codeOf(c >>> 5), codeOf(c), codeOf(c >>> 15), codeOf(c >>> 10),
    );
  };
}

/** Of the lowest five bits. */
function codeOf(bits: number): number {
  return codes[bits & 31] as number;
}

function writeTime(stamp: Uint8Array, nowMs: number): void {
  let left = nowMs;
  for (let index = timeCharacters - 1; index >= 0; index--) {
    stamp[index] = codeOf(left % 32);
    left = Math.floor(left / 32);
  }
}
