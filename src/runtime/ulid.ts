/**
 * Identifiers that begin with their time: 10 characters of milliseconds, 16 of randomness, in
 * Crockford's base 32.
 *
 * @see the ULID specification, without its monotonic variant: ids must not be guessable.
 */
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Two characters for every 10-bit value, so that 16 characters take eight look-ups. */
const pairs: readonly string[] = Array.from(
  { length: 1024 },
  (_, value) => `${alphabet[value >> 5]}${alphabet[value & 31]}`,
);

export type IdSource = () => string;

export function ulidSource(clock: Pick<Clock, "nowMs">, random: Random): IdSource {
  let stampMs = -1;
  let stamp = "";
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs !== stampMs) {
      stampMs = nowMs;
      stamp = encodeTime(nowMs);
    }
    const a = random.uint32();
    const b = random.uint32();
    const c = random.uint32();
    return (
      stamp +
      pairs[a & 1023] +
      pairs[(a >>> 10) & 1023] +
      pairs[(a >>> 20) & 1023] +
      pairs[b & 1023] +
      pairs[(b >>> 10) & 1023] +
      pairs[(b >>> 20) & 1023] +
      pairs[c & 1023] +
      pairs[(c >>> 10) & 1023]
    );
  };
}

function encodeTime(nowMs: number): string {
  const high = Math.floor(nowMs / 2 ** 30);
  return `${pairs[(high >>> 10) & 1023]}${pairs[high & 1023]}${pairs[(nowMs >>> 20) & 1023]}${
    pairs[(nowMs >>> 10) & 1023]
  }${pairs[nowMs & 1023]}`;
}

const shape = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export function isUlid(text: string): boolean {
  return shape.test(text);
}
