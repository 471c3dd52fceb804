/** The books of a crash campaign: what was promised, beside what is known to have happened. */
import { orderOfId } from "./order.ts";

/** What was written down by those who were killed, and what the store says in the end. */
export interface History {
  /** Ids whose send resolved. */
  readonly acknowledged: readonly string[];
  /** Ids whose send was refused. */
  readonly rejected: readonly string[];
  /** Ids in order of handler starts, once for each. */
  readonly started: readonly string[];
  /** Ids in order of their committed effects. */
  readonly effects: readonly string[];
  /** Ids among the dead letters. */
  readonly dead: readonly string[];
}

export interface Audit {
  /** G2: acknowledged, and neither done nor dead. */
  readonly lost: readonly string[];
  /** G2: refused, and yet there is an effect. */
  readonly rejectedYetDone: readonly string[];
  /** G3: more than one effect. */
  readonly doubleEffects: readonly string[];
  /** G4: an effect that came after one that was sent later, of the same sender, key and priority. */
  readonly inversions: readonly string[];
  /** G1: at most once, and started again. */
  readonly secondStarts: readonly string[];
  /** Starts beyond the first of messages that allow it: no failure, but worth knowing. */
  readonly repeatedStarts: number;
}

export function audit(history: History): Audit {
  const effects = new Set(history.effects);
  const ended = new Set([...history.effects, ...history.dead]);
  const again = repetitions(history.started);
  const atMostOnce = (id: string) => orderOfId(id).guarantee === "at-most-once";
  return {
    lost: history.acknowledged.filter((id) => !ended.has(id) && !atMostOnce(id)),
    rejectedYetDone: history.rejected.filter((id) => effects.has(id)),
    doubleEffects: repetitions(history.effects),
    inversions: inversions(history.effects),
    secondStarts: again.filter(atMostOnce),
    repeatedStarts: again.filter((id) => !atMostOnce(id)).length,
  };
}

/** What must be empty, by name; nothing where every promise was kept. */
export function broken(found: Audit): Readonly<Record<string, readonly string[]>> {
  const { repeatedStarts: _, ...promises } = found;
  return Object.fromEntries(Object.entries(promises).filter(([, ids]) => ids.length > 0));
}

/** Every occurrence beyond an id's first. */
function repetitions(ids: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.size === seen.add(id).size);
}

function inversions(effects: readonly string[]): readonly string[] {
  const latest = new Map<string, number>();
  return effects.filter((id) => {
    const { sender, key, priority, number } = orderOfId(id);
    if (key === undefined) return false;
    const lane = `${sender} ${key} ${priority}`;
    const before = latest.get(lane) ?? 0;
    latest.set(lane, Math.max(before, number));
    return number < before;
  });
}
