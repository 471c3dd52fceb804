/** Where a command writes: results to `out`, everything about them to `err`. */
import { once } from "node:events";
import type { Writable } from "node:stream";

export interface Terminal {
  readonly out: Writable;
  readonly err: Writable;
}

/** Resolves when the stream can take more, so that a slow reader does not fill the memory. */
export async function writeLine(stream: Writable, line: string): Promise<void> {
  if (!stream.write(`${line}\n`)) await once(stream, "drain");
}

/** JSON with byte arrays as `{ "base64": ... }`. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Uint8Array ? { base64: Buffer.from(part).toString("base64") } : part,
  );
}
