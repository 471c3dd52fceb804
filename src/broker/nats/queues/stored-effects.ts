/** What the puts and appends of settlements come to in the streams of the store and the log. */
import { ColloquyError } from "../../../errors.ts";
import type { Effect } from "../../broker.ts";
import type { NatsPorts } from "../broker.ts";
import type { StreamMessage } from "../jetstream.ts";
import { logMessages } from "../log.ts";
import type { Names } from "../names.ts";
import type { PutConflict, PutPlan } from "../put-plan.ts";
import type { NatsStore } from "../store.ts";
import type { StoredPlan } from "./effects.ts";

type Append = Extract<Effect, { readonly kind: "append" }>;

/**
 * As many settlements, from the first one on, as can be stored at once. They may append to the same stream
 * of the log, one behind the other; one that asks for what another of them writes ends the list.
 *
 * @returns for each what it comes to, or a CONFLICT: a revision does not hold, or a position is taken or
 *   beyond the end.
 * @throws what the server says.
 */
export async function planStored(
  { link, store, log }: NatsPorts,
  waiting: readonly (readonly Effect[])[],
): Promise<readonly (StoredPlan | ColloquyError)[]> {
  const settlements = independent(waiting);
  const streams = new Set(settlements.flatMap(appendsOf).map(({ stream }) => stream));
  const [puts, ends] = await Promise.all([
    Promise.all(settlements.map((effects) => planPuts(store, effects))),
    Promise.all([...streams].map(async (stream) => [stream, await log.nextOf(stream)] as const)),
  ]);
  let nexts: ReadonlyMap<string, number> = new Map(ends);
  const plans: (StoredPlan | ColloquyError)[] = [];
  for (const [index, effects] of settlements.entries()) {
    try {
      const put = messagesOf(puts[index]);
      const appended = planAppends(link.names, effects, nexts);
      plans.push({ messages: [...put.state, ...appended.messages], volatile: put.volatile });
      nexts = appended.nexts;
    } catch (error) {
      if (!(error instanceof ColloquyError)) throw error;
      plans.push(error);
    }
  }
  return plans;
}

/** As many, from the first one on, as do not ask for what one before them writes, or would. */
function independent(settlements: readonly (readonly Effect[])[]): readonly (readonly Effect[])[] {
  const written = new Set<string>();
  const end = settlements.findIndex((effects) => {
    if (effects.some((effect) => asksFor(effect, written))) return true;
    for (const effect of effects) written.add(placeOf(effect));
    return false;
  });
  return end === -1 ? settlements : settlements.slice(0, end);
}

function appendsOf(effects: readonly Effect[]): readonly Append[] {
  return effects.filter((effect) => effect.kind === "append");
}

async function planPuts(
  store: NatsStore,
  effects: readonly Effect[],
): Promise<PutPlan | PutConflict | undefined> {
  const puts = effects.filter((effect) => effect.kind === "put");
  return puts.length === 0 ? undefined : await store.plan(puts);
}

/** Where an effect writes. */
function placeOf(effect: Effect): string {
  if (effect.kind === "put") return `put ${effect.key}`;
  return effect.kind === "append" ? `append ${effect.stream}` : "";
}

/** Whether it depends on what is written there. */
function asksFor(effect: Effect, written: ReadonlySet<string>): boolean {
  const asks = effect.kind === "put" || (effect.kind === "append" && effect.at !== undefined);
  return asks && written.has(placeOf(effect));
}

/** @throws CONFLICT. */
function messagesOf(
  plan: PutPlan | PutConflict | undefined,
): Record<"state" | "volatile", readonly StreamMessage[]> {
  if (plan?.kind === "conflict") {
    const { key, revision } = plan;
    const details = { key, revision };
    throw new ColloquyError("CONFLICT", `put: "${key}" has revision ${revision}`, { details });
  }
  const of = (stream: "state" | "volatile") =>
    (plan?.steps ?? []).flatMap((step) => (step.stream === stream ? step.messages : []));
  return { state: of("state"), volatile: of("volatile") };
}

/**
 * @param before - the next position of each stream.
 * @throws CONFLICT.
 */
function planAppends(
  names: Names,
  effects: readonly Effect[],
  before: ReadonlyMap<string, number>,
) {
  const nexts = new Map(before);
  const messages: (readonly StreamMessage[])[] = [];
  for (const { stream, entries, at } of appendsOf(effects)) {
    const next = nexts.get(stream) as number;
    if (at !== undefined && at !== next) {
      const details = { stream, next };
      const text = `append: the next position of "${stream}" is ${next}`;
      throw new ColloquyError("CONFLICT", text, { details });
    }
    messages.push(logMessages(names, stream, entries, next));
    nexts.set(stream, next + entries.length);
  }
  return { messages: messages.flat(), nexts };
}
