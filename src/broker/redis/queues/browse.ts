/** Looking at a queue without touching it: what scripts/track.ts finds of each lane, in one order. */
import type { BrowseRange, Lane, StoredMessage } from "../../broker.ts";
import type { RedisReply } from "../client.ts";

type Row = readonly [
  position: Buffer,
  lane: Buffer,
  state: Buffer,
  due: Buffer,
  failures: number,
  pickups: number,
  crashes: number,
  frame: Buffer,
];

export async function* browse(
  read: (after: number) => Promise<readonly RedisReply[]>,
  { after = 0, limit = Number.POSITIVE_INFINITY }: BrowseRange,
): AsyncGenerator<readonly StoredMessage[], void, undefined> {
  let left = limit;
  for (let from = after; left > 0; ) {
    const part = inOrder(await read(from)).slice(0, left);
    const last = part.at(-1);
    if (last === undefined) return;
    from = last.position;
    left -= part.length;
    yield part;
  }
}

function inOrder(lanes: readonly RedisReply[]): readonly StoredMessage[] {
  const found: StoredMessage[] = [];
  // Beyond the last message that was read of any one lane there may be others before it.
  let end = Number.POSITIVE_INFINITY;
  for (const lane of lanes as readonly (readonly unknown[])[]) {
    const [more, ...rows] = lane;
    const messages = (rows as readonly Row[]).map(storedMessage);
    for (const message of messages) found.push(message);
    const last = messages.at(-1);
    if (String(more) === "1" && last !== undefined) end = Math.min(end, last.position);
  }
  return found.filter(({ position }) => position <= end).sort((a, b) => a.position - b.position);
}

function storedMessage(row: Row): StoredMessage {
  const [position, lane, state, due, failures, pickups, crashes, frame] = row;
  const kind = String(state) as StoredMessage["state"];
  return {
    position: Number(String(position)),
    lane: Number(String(lane)) as Lane,
    state: kind,
    frame,
    attempts: { failures, pickups, crashes },
    ...(kind === "scheduled" ? { notBeforeMs: Number(String(due)) } : {}),
  };
}
