/** Where a command reads and writes: results to `out`, everything about them to `err`. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

export interface Terminal {
  readonly out: Writable;
  readonly err: Writable;
  /** What `-` stands for, and where questions are answered. Default: nothing to read. */
  readonly input?: Readable;
  /** Aborts when the command is to end: Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** Resolves when the stream can take more, so that a slow reader does not fill the memory. */
export async function writeLine(stream: Writable, line: string): Promise<void> {
  if (!stream.write(`${line}\n`)) await once(stream, "drain");
}

/** JSON with byte arrays as `{ "base64": ... }`. */
export function jsonLine(value: unknown): string {
  const line = JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Uint8Array ? { base64: Buffer.from(part).toString("base64") } : part,
  ) as string | undefined;
  return line ?? "null";
}

/** True where a person looks. */
export function isTerminal(stream: Readable | Writable): boolean {
  return (stream as { readonly isTTY?: boolean }).isTTY === true;
}

/** How wide a line may be; undefined where nobody looks, and lines may be as long as they are. */
export function columnsOf(stream: Writable): number | undefined {
  return sizeOf(stream, "columns");
}

export function rowsOf(stream: Writable): number | undefined {
  return sizeOf(stream, "rows");
}

/** A terminal that does not know its size says 0. */
function sizeOf(stream: Writable, of: "columns" | "rows"): number | undefined {
  const size = (stream as { readonly columns?: number; readonly rows?: number })[of];
  return isTerminal(stream) && size !== 0 ? size : undefined;
}
