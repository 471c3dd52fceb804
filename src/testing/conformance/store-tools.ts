/** What the cases of the store share. */
import assert from "node:assert/strict";
import type { Broker, Store, StoreChange, StoreWrite } from "../../broker/broker.ts";
import { type CaseOptions, type ConformanceCase, conformanceCase } from "./case.ts";
import { bytes, text } from "./messages.ts";
import type { Trial } from "./trial.ts";

const needsStore = { needs: ["store"] } as const;

/** A case of a broker that has a store. */
export function storeCase(
  name: string,
  body: (trial: Trial, store: Store) => Promise<void>,
  options: CaseOptions = needsStore,
): ConformanceCase {
  return conformanceCase(name, (trial) => body(trial, storeOf(trial.broker)), options);
}

export function storeOf({ store }: Broker): Store {
  assert.ok(store, "it says that it has a store");
  return store;
}

export async function put(
  store: Store,
  ...writes: readonly StoreWrite[]
): Promise<readonly number[]> {
  const outcome = await store.put(writes);
  assert.ok(outcome.kind === "stored", JSON.stringify(outcome));
  assert.equal(outcome.revisions.length, writes.length, "one revision each");
  return outcome.revisions;
}

export async function putText(store: Store, key: string, value: string): Promise<number> {
  const [revision] = await put(store, { key, value: bytes(value) });
  assert.ok(revision !== undefined && revision > 0);
  return revision;
}

export async function read(store: Store, key: string): Promise<string | undefined> {
  const [entry] = await store.get([key]);
  return entry === undefined ? undefined : text(entry.value);
}

/** What a watcher has seen, as "+key=value", "-key" or "reset". */
export async function watch(
  trial: Trial,
  store: Store,
  prefix: string,
  signal: AbortSignal = trial.signal,
): Promise<string[]> {
  const seen: string[] = [];
  const note = (change: StoreChange): string => {
    if (change.kind === "reset") return "reset";
    if (change.kind === "delete") return `-${change.key}`;
    return `+${change.key}=${text(change.value)}`;
  };
  await trial.within(
    `watching ${prefix}`,
    store.watch(prefix, (changes) => void seen.push(...changes.map(note)), signal),
  );
  return seen;
}

export async function sees(trial: Trial, seen: readonly string[], expected: string): Promise<void> {
  const what = `${expected} among ${seen}`;
  await trial.eventually(what, () => (seen.includes(expected) ? true : undefined));
}
