/** Dead letters, as they lie in their stream: see `bury` in scripts/life.ts. */
import type { BrowseRange, DeadLetter, Failure } from "../../broker.ts";
import type { RedisReply } from "../client.ts";
import { decodeError, jsonOf } from "./states.ts";

/** Read at a time. */
const partMax = 32;

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

export async function* deadLetters(
  read: (after: number, count: number) => Promise<RedisReply>,
  { after = 0, limit = Number.POSITIVE_INFINITY }: BrowseRange,
): AsyncGenerator<readonly DeadLetter[], void, undefined> {
  let left = limit;
  for (let from = after; left > 0; ) {
    const entries = (await read(from, Math.min(left, partMax))) as readonly unknown[];
    const last = (entries as readonly Entry[]).at(-1);
    if (last === undefined) return;
    from = numberOf(last);
    const letters = (entries as readonly Entry[])
      .map(letterOf)
      .filter((letter) => letter !== undefined);
    left -= letters.length;
    if (letters.length > 0) yield letters;
  }
}

function numberOf([id]: Entry): number {
  return Number.parseInt(String(id), 10);
}

/** Undefined where somebody else has written what is no letter. */
function letterOf(entry: Entry): DeadLetter | undefined {
  const [, fields] = entry;
  const found = new Map<string, Buffer>();
  for (let index = 0; index + 1 < fields.length; index += 2) {
    found.set(String(fields[index]), fields[index + 1] as Buffer);
  }
  const bytes = (name: string): Buffer => found.get(name) ?? Buffer.alloc(0);
  const number = (name: string): number => Number(bytes(name).toString());
  const history = jsonOf(bytes("history"));
  const isLetter = found.has("queue") && found.has("frame") && Array.isArray(history);
  if (!isLetter) return undefined;
  return {
    number: numberOf(entry),
    queue: bytes("queue").toString(),
    position: number("position"),
    frame: bytes("frame"),
    error: decodeError(bytes("error")),
    attempts: {
      failures: number("failures"),
      pickups: number("pickups"),
      crashes: number("crashes"),
    },
    firstFailureMs: number("first"),
    lastFailureMs: number("last"),
    history: history as readonly Failure[],
  };
}
