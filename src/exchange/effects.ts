/**
 * What a handler sends, publishes, stores and appends through its context: staged while it runs,
 * made real when it returns, forgotten when it throws.
 */
import type { Broker, Effect } from "../broker/broker.ts";
import { logOf, storeOf } from "../broker/guarded.ts";
import { ColloquyError, errorFromInfo } from "../errors.ts";

export interface StagedEffect {
  readonly effect: Effect;
  /** Subscribers in this process hear of it after the commit. */
  readonly committed?: () => void;
}

/**
 * Makes the effects of a handler real that has no settlement to carry them (a request's). Each is
 * safe on its own; together they are not one transaction.
 */
export async function writeEffects(broker: Broker, staged: readonly StagedEffect[]): Promise<void> {
  for (const { effect } of staged) await writeEffect(broker, effect);
  for (const { committed } of staged) committed?.();
}

async function writeEffect(broker: Broker, effect: Effect): Promise<void> {
  switch (effect.kind) {
    case "publish":
      broker.topics.publish([effect]);
      return;
    case "enqueue": {
      const [outcome] = await broker.queues.enqueue(effect.queue, [effect.message]);
      if (outcome?.kind !== "stored") throw errorFromInfo(outcome?.error ?? lost);
      return;
    }
    case "put": {
      const outcome = await storeOf(broker).put([effect]);
      if (outcome.kind === "conflict") throw putConflict(outcome.key, outcome.revision);
      if (outcome.kind !== "stored") throw errorFromInfo(outcome.error);
      return;
    }
    case "append": {
      const outcome = await logOf(broker).append(effect.stream, effect.entries, effect.at);
      if (outcome.kind === "conflict") throw appendConflict(effect.stream, outcome.next);
      if (outcome.kind !== "appended") throw errorFromInfo(outcome.error);
    }
  }
}

const lost = { code: "INTERNAL_ERROR", message: "no outcome", retryable: false } as const;

export function putConflict(key: string, revision: number): ColloquyError<"CONFLICT"> {
  return new ColloquyError("CONFLICT", `${key} has revision ${revision} by now`, {
    details: { key, revision },
  });
}

export function appendConflict(stream: string, next: number): ColloquyError<"CONFLICT"> {
  return new ColloquyError("CONFLICT", `the next position of ${stream} is ${next} by now`, {
    details: { stream, next },
  });
}
