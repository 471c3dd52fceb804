/**
 * Texts that come again and again: topics, names of queues. The same bytes give the same string, which
 * costs less than making another, and a string that was looked up before is looked up faster.
 */
import { textOfBytes } from "./text.ts";

/** A power of two. Of two texts that fall on one slot the latest is remembered. */
const slots = 256;

/** Longer texts are not remembered. */
const textBytesMax = 64;

const texts: string[] = new Array<string>(slots).fill("");
const remembered: Uint8Array = new Uint8Array(slots * textBytesMax);

/** @returns the text in these bytes; undefined when they are not all ASCII, or too many. */
export function recurringText(bytes: Uint8Array, start: number, end: number): string | undefined {
  const length = end - start;
  if (length === 0 || length > textBytesMax) return undefined;
  const slot = slotOf(bytes, start, end);
  const text = texts[slot] as string;
  const base = slot * textBytesMax;
  if (text.length === length) {
    let same = 0;
    while (same < length && remembered[base + same] === bytes[start + same]) same++;
    if (same === length) return text;
  }
  return remember(slot, bytes, start, end);
}

/** Where texts differ most is at their ends: numbers, ids. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const last = bytes[end - 1] as number;
  const middle = bytes[(start + end) >> 1] as number;
  return (last * 31 + middle * 7 + (bytes[start] as number) + end - start) & (slots - 1);
}

function remember(slot: number, bytes: Uint8Array, start: number, end: number): string | undefined {
  const base = slot * textBytesMax;
  for (let index = start; index < end; index++) {
    const byte = bytes[index] as number;
    if (byte > 0x7f) {
      texts[slot] = "";
      return undefined;
    }
    remembered[base + index - start] = byte;
  }
  const text = textOfBytes(bytes, start, end);
  texts[slot] = text;
  return text;
}
