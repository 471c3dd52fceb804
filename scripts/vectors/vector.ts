/** What the parts of clients/vectors.json are made of. */
import type { FrameType, frameTypes } from "../../src/message/frame.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";

export type FrameName = keyof typeof frameTypes;

/** The bytes of frames, as `write` writes them. */
export function written(write: (writer: FrameWriter) => void): Uint8Array {
  const writer = new FrameWriter();
  write(writer);
  return writer.take();
}

/** A frame of which the writer of its type would not write a byte. */
export function rawFrame(
  type: FrameType,
  header: Uint8Array,
  payload: Uint8Array = new Uint8Array(0),
  flags = 0,
): Uint8Array {
  return written((writer) => {
    const frame = writer.begin(type, flags);
    writer.bytes(header);
    writer.endHeader(frame);
    writer.bytes(payload);
    writer.end(frame);
  });
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** @param hex - white space means nothing. */
export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Data for JSON: each byte array is `{ "$hex": "..." }`. */
export function portable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $hex: hexOf(value) };
  if (Array.isArray(value)) return value.map(portable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, portable(inner)]));
}

/** The opposite of `portable`. */
export function unportable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unportable);
  if (typeof value !== "object" || value === null) return value;
  const { $hex } = value as { readonly $hex?: unknown };
  if (typeof $hex === "string") return bytesOf($hex);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unportable(inner)]));
}
