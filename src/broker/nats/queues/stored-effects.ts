/** What the puts and appends of a settlement come to in the streams of the store and the log. */
import { ColloquyError } from "../../../errors.ts";
import type { Effect } from "../../broker.ts";
import type { NatsPorts } from "../broker.ts";
import { publishBatch, type StreamMessage } from "../jetstream.ts";
import { logMessages } from "../log.ts";
import type { StoredPlan } from "./effects.ts";

/** @throws CONFLICT where a revision does not hold, or a position is taken or beyond the end. */
export async function planStored(
  { link, store, log }: NatsPorts,
  effects: readonly Effect[],
): Promise<StoredPlan> {
  const messages: StreamMessage[] = [];
  const volatile: StreamMessage[] = [];
  const puts = effects.filter((effect) => effect.kind === "put");
  if (puts.length > 0) {
    const plan = await store.plan(puts);
    if (plan.kind === "conflict") {
      const { key, revision } = plan;
      throw new ColloquyError("CONFLICT", `put: "${key}" has revision ${revision}`, {
        details: { key, revision },
      });
    }
    for (const step of plan.steps) {
      (step.stream === "state" ? messages : volatile).push(...step.messages);
    }
  }
  const nexts = new Map<string, number>();
  for (const effect of effects) {
    if (effect.kind !== "append") continue;
    const { stream, entries, at } = effect;
    const next = nexts.get(stream) ?? (await log.nextOf(stream));
    if (at !== undefined && at !== next) {
      throw new ColloquyError("CONFLICT", `append: the next position of "${stream}" is ${next}`, {
        details: { stream, next },
      });
    }
    messages.push(...logMessages(link.names, stream, entries, next));
    nexts.set(stream, next + entries.length);
  }
  // Gone with the memory of a server, volatile entries need not be there together with the rest.
  const committed = async (): Promise<void> => {
    if (volatile.length === 0) return;
    await publishBatch(link, volatile, "queues.settle").catch(() => {});
  };
  return { messages, committed };
}
