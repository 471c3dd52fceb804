/** What has to be known of messages that have just come, read together. */
import type { QueueContext } from "./context.ts";
import type { Item } from "./item.ts";
import { type Facts, judge } from "./judge.ts";
import type { OfferedMarks } from "./offered-marks.ts";
import type { Pulled } from "./pulls.ts";

export interface Looked {
  readonly facts: readonly Facts[];
  /** Positions of those that another client has in hand. */
  readonly elsewhere: ReadonlySet<number>;
}

const none: ReadonlySet<number> = new Set();

/** @throws what the server says. */
export async function lookUp(
  context: QueueContext,
  queue: string,
  marks: OfferedMarks,
  batch: readonly Pulled[],
  items: readonly Item[],
): Promise<Looked> {
  const isOld = ({ storedMs }: Pulled) => storedMs < context.serverSinceMs;
  const positions = items.map(({ position }) => position);
  const [records, offered] = await Promise.all([
    context.records.read(queue, positions),
    batch.some(isOld) ? marks.found() : [],
  ]);
  const nowMs = context.link.serverNowMs();
  const facts = batch.map((pulled, index): Facts => {
    const { message, deliveries } = pulled;
    const { position, lane } = message;
    const mayBeOffered = items[index]?.isForgotten === true || position <= (offered[lane] ?? 0);
    const isSuspect = isOld(pulled);
    return { message, deliveries, record: records[index], nowMs, isSuspect, mayBeOffered };
  });
  const verdicts = facts.map(judge);
  const asked = items.filter((_, index) => {
    const verdict = verdicts[index];
    return verdict !== undefined && "ask" in verdict && verdict.ask;
  });
  const elsewhere = asked.length === 0 ? none : await context.heldElsewhere(queue, asked);
  return { facts, elsewhere };
}
