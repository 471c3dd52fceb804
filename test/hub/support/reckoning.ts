/** After the killing: what the ledger says, beside what was acknowledged and started. */
import { expect } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import type { Stage } from "./actors.ts";

export interface Reckoning {
  readonly acknowledged: number;
  readonly effects: number;
  /** Handler starts beyond the first of a message. */
  readonly repeatedStarts: number;
}

/**
 * Waits until nothing waits in `queue`, then proves that every message that was acknowledged had its
 * effect, and that none had it twice.
 */
export async function reckon(
  stage: Stage,
  broker: Broker,
  queue: string,
  ledger: string,
): Promise<Reckoning> {
  await drained(broker, queue);
  const entries = await readLedger(broker, ledger);
  const effects = new Set(entries);
  const acknowledged = stage.journaled("acknowledged");
  const started = stage.journaled("started");
  expect(acknowledged.filter((id) => !effects.has(id))).toEqual([]);
  expect(entries.length - effects.size).toBe(0);
  expect(entries.filter((id) => !started.includes(id))).toEqual([]);
  return {
    acknowledged: acknowledged.length,
    effects: entries.length,
    repeatedStarts: started.length - new Set(started).size,
  };
}

async function drained(broker: Broker, queue: string): Promise<void> {
  for (;;) {
    const mailboxes = await broker.queues.mailboxes();
    if (mailboxes.find((mailbox) => mailbox.queue === queue)?.waiting === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function readLedger(broker: Broker, ledger: string): Promise<readonly string[]> {
  const decoder = new TextDecoder();
  const ids: string[] = [];
  const never = new AbortController().signal;
  for await (const batch of broker.log?.read(ledger, 1, {}, never) ?? []) {
    for (const { data } of batch) ids.push(decoder.decode(data));
  }
  return ids;
}
