/** Small damage to bytes, without knowing what they mean. */
import type { Draw } from "./draw.ts";

type Mutation = (bytes: Uint8Array, draw: Draw) => Uint8Array;

/** One to four mutations, one after the other. */
export function mutate(bytes: Uint8Array, draw: Draw): Uint8Array {
  let mutated = bytes;
  for (let left = 1 + draw.below(4); left > 0 && mutated.length > 0; left--) {
    mutated = draw.oneOf(mutations)(mutated, draw);
  }
  return draw.chance(0.7) ? withRightLength(mutated) : mutated;
}

const mutations: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  setEarlyByte,
  setEarlyByte,
  insert,
  remove,
  truncate,
  repeat,
];

function flipBit(bytes: Uint8Array, draw: Draw): Uint8Array {
  const mutated = bytes.slice();
  const at = draw.below(bytes.length);
  mutated[at] = (bytes[at] as number) ^ (1 << draw.below(8));
  return mutated;
}

function setByte(bytes: Uint8Array, draw: Draw): Uint8Array {
  return withByte(bytes, draw.below(bytes.length), draw);
}

/** Where the lengths and numbers are. */
function setEarlyByte(bytes: Uint8Array, draw: Draw): Uint8Array {
  return withByte(bytes, draw.below(Math.min(bytes.length, 48)), draw);
}

function withByte(bytes: Uint8Array, at: number, draw: Draw): Uint8Array {
  const mutated = bytes.slice();
  mutated[at] = draw.oneOf([0, 1, 2, 0x7f, 0x80, 0xc3, 0xfe, 0xff, draw.below(256)]);
  return mutated;
}

function insert(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw.below(bytes.length + 1);
  const inserted = draw.bytes(1 + draw.below(8));
  return joined([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
}

function remove(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw.below(bytes.length);
  return joined([bytes.subarray(0, at), bytes.subarray(at + 1 + draw.below(8))]);
}

function truncate(bytes: Uint8Array, draw: Draw): Uint8Array {
  return bytes.slice(0, draw.below(bytes.length));
}

/** Copies a piece over another place. */
function repeat(bytes: Uint8Array, draw: Draw): Uint8Array {
  const mutated = bytes.slice();
  const from = draw.below(bytes.length);
  mutated.copyWithin(draw.below(bytes.length), from, from + 1 + draw.below(32));
  return mutated;
}

/** With the lengths in its head made right again, so that a reader gets beyond them. */
export function withRightLength(frame: Uint8Array): Uint8Array {
  if (frame.length < 12) return frame;
  const righted = frame.slice();
  const view = new DataView(righted.buffer);
  const header = Math.min(view.getUint32(4), frame.length - 12);
  view.setUint32(4, header);
  view.setUint32(8, frame.length - 12 - header);
  return righted;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
