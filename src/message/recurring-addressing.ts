/**
 * Name, sender and recipients: half of a header, and mostly the same as in an earlier message between
 * the same agents. What was checked and written, or read and checked, is not checked again:
 *
 *   writing   the same texts as last time    the same bytes are copied
 *   reading   the same bytes as last time    the same objects, frozen, are handed out
 */
import type { Address } from "./address.ts";
import type { Sender } from "./envelope.ts";

export interface Addressing {
  readonly name: string;
  readonly from: Sender;
  readonly to: readonly Address[];
}

/** The bytes of an addressing. */
export interface EncodedAddressing extends Addressing {
  readonly bytes: Uint8Array;
}

/** A power of two. Of two that fall on one slot the latest is remembered. */
const slots = 64;

/** Longer ones are not remembered. */
const addressingBytesMax = 256;

/** Stands for the recipient of what is published: no address is empty. */
const nobody = "";

type Slots = (EncodedAddressing | undefined)[];

const written: Slots = new Array<EncodedAddressing | undefined>(slots).fill(undefined);
const read: Slots = new Array<EncodedAddressing | undefined>(slots).fill(undefined);

/** @returns the bytes that were written for the same texts; undefined when nobody remembers. */
export function writtenBefore({ name, from, to }: Addressing): Uint8Array | undefined {
  const address = to.length > 1 ? undefined : (to[0] ?? nobody);
  if (typeof address !== "string" || typeof name !== "string") return undefined;
  const known = written[slotOfTexts(name, address)];
  if (known === undefined || known.name !== name) return undefined;
  if ((known.to[0] ?? nobody) !== address) return undefined;
  const { agent, type, instance } = known.from;
  const same = agent === from.agent && type === from.type && instance === from.instance;
  return same ? known.bytes : undefined;
}

/** @param bytes - what was written for it, once it had been checked; may change afterwards. */
export function rememberWritten({ name, from, to }: Addressing, bytes: Uint8Array): void {
  if (to.length > 1 || bytes.length > addressingBytesMax) return;
  const { agent, type, instance } = from;
  const known = { name, from: { agent, type, instance }, to: to.slice(), bytes: bytes.slice() };
  written[slotOfTexts(name, to[0] ?? nobody)] = known;
}

/** @returns what the bytes from `start` on said before; undefined when nobody remembers. */
export function readBefore(
  bytes: Uint8Array,
  start: number,
  end: number,
): EncodedAddressing | undefined {
  const known = read[slotOfBytes(bytes, start)];
  if (known === undefined || known.bytes.length > end - start) return undefined;
  const expected = known.bytes;
  for (let index = 0; index < expected.length; index++) {
    if (expected[index] !== bytes[start + index]) return undefined;
  }
  return known;
}

/** @returns the same, frozen. */
export function rememberRead(
  { name, from, to }: Addressing,
  bytes: Uint8Array,
  start: number,
  end: number,
): Addressing {
  const addressing = { name, from: Object.freeze(from), to: Object.freeze(to) };
  if (end - start <= addressingBytesMax) {
    read[slotOfBytes(bytes, start)] = { ...addressing, bytes: bytes.slice(start, end) };
  }
  return addressing;
}

/** The last characters tell one agent and one name from another. */
function slotOfTexts(name: string, address: string): number {
  const ofName = name.charCodeAt(name.length - 1);
  const ofAddress = address.charCodeAt(address.length - 1);
  return (ofName * 7 + ofAddress * 31 + name.length) & (slots - 1);
}

/** The end of the sender's instance tells one sender from another: it is random. */
function slotOfBytes(bytes: Uint8Array, start: number): number {
  const agent = start + 1 + lengthAt(bytes, start);
  const type = agent + 1 + lengthAt(bytes, agent);
  const instance = type + 1 + lengthAt(bytes, type);
  const last = instance + lengthAt(bytes, instance);
  return (lengthAt(bytes, last) * 31 + lengthAt(bytes, agent - 1)) & (slots - 1);
}

/** 0 behind the end: what is cut off is not remembered either. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return at < bytes.length ? (bytes[at] as number) : 0;
}
