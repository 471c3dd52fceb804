/** What the cases send, and what they expect to be told. */
import assert from "node:assert/strict";
import type {
  Attempts,
  Broker,
  Delivery,
  Effect,
  EnqueueOutcome,
  Outcome,
  QueuedMessage,
  SettleOutcome,
} from "../../broker/broker.ts";
import { type ErrorCode, type ErrorInfo, isColloquyError } from "../../errors.ts";

/** As a sender's: different in every message of this process. */
let serial = 0;

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(frame: Uint8Array | undefined): string {
  return new TextDecoder().decode(frame);
}

/** A normal message that says `content`, different from every other by its id. */
export function message(content: string, fields: Partial<QueuedMessage> = {}): QueuedMessage {
  const id = `01JCONFORMANCE${String(++serial).padStart(12, "0")}`;
  return { frame: bytes(content), lane: 2, guarantee: "at-least-once", id, ...fields };
}

export function messages(
  contents: readonly string[],
  fields: Partial<QueuedMessage> = {},
): QueuedMessage[] {
  return contents.map((content) => message(content, fields));
}

/** "message 0", "message 1", ... */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `message ${index}`);
}

/** Enqueues what must be stored. @returns the positions. */
export async function enqueue(
  broker: Broker,
  queue: string,
  sent: readonly QueuedMessage[],
): Promise<readonly number[]> {
  const outcomes = await broker.queues.enqueue(queue, sent);
  assert.equal(outcomes.length, sent.length, "one outcome each");
  return outcomes.map((outcome) => {
    assert.equal(outcome.kind, "stored", JSON.stringify(outcome));
    assert.ok(outcome.kind === "stored");
    return outcome.position;
  });
}

/** Enqueues one message that must be stored. @returns its position. */
export async function enqueueOne(
  broker: Broker,
  queue: string,
  sent: QueuedMessage | string,
): Promise<number> {
  const [position] = await enqueue(broker, queue, [
    typeof sent === "string" ? message(sent) : sent,
  ]);
  assert.ok(position !== undefined);
  return position;
}

export const done: Outcome = { kind: "done" };
export const release: Outcome = { kind: "release" };

export const planted: ErrorInfo = {
  code: "HANDLER_FAILED",
  message: "planted by a conformance case",
  retryable: false,
};

export function retry(delayMs: number = 0, message: string = planted.message): Outcome {
  return { kind: "retry", delayMs, error: { ...planted, message } };
}

export function dead(message: string = planted.message): Outcome {
  return { kind: "dead", error: { ...planted, message } };
}

/** Settles one delivery. */
export async function settle(
  broker: Broker,
  delivery: Delivery,
  outcome: Outcome = done,
  effects?: readonly Effect[],
): Promise<SettleOutcome> {
  const { queue, position, fence } = delivery;
  const settlement = { queue, position, fence, outcome };
  const [settled] = await broker.queues.settle([
    effects === undefined ? settlement : { ...settlement, effects },
  ]);
  assert.ok(settled, "one outcome each");
  return settled;
}

/** Settles deliveries that must be settled. */
export async function settleAll(
  broker: Broker,
  deliveries: readonly Delivery[],
  outcome: Outcome = done,
): Promise<void> {
  const settlements = deliveries.map(({ queue, position, fence }) => ({
    queue,
    position,
    fence,
    outcome,
  }));
  const outcomes = await broker.queues.settle(settlements);
  const expected = deliveries.map(() => ({ kind: "settled" }));
  assert.deepEqual(outcomes, expected, "every settlement counts");
}

/** Settles one delivery that must be settled. */
export async function settleOne(
  broker: Broker,
  delivery: Delivery,
  outcome: Outcome = done,
  effects?: readonly Effect[],
): Promise<void> {
  const settled = await settle(broker, delivery, outcome, effects);
  assert.deepEqual(settled, { kind: "settled" });
}

/** Times the message was offered before. */
export function attemptsMade({ failures, pickups, crashes }: Attempts): number {
  return failures + pickups + crashes;
}

/** Asserts that `call` rejects with one of `codes`. */
export async function assertRejects(
  call: Promise<unknown>,
  ...codes: readonly ErrorCode[]
): Promise<void> {
  const outcome = await call.then(
    () => ({ rejected: false, error: undefined }),
    (error: unknown) => ({ rejected: true, error }),
  );
  assert.ok(outcome.rejected, `it should reject with ${codes.join(" or ")}`);
  const { error } = outcome;
  assert.ok(isColloquyError(error), `it should be a ColloquyError: ${String(error)}`);
  assert.ok(codes.includes(error.code), `${codes.join(" or ")}, not ${error.code}`);
}

/** Asserts that an enqueue of one message is refused: by rejecting, or by its outcome. */
export async function assertRefused(
  call: Promise<readonly EnqueueOutcome[]>,
  code: ErrorCode,
): Promise<void> {
  const outcomes = await call.catch((error: unknown): readonly EnqueueOutcome[] => {
    assert.ok(isColloquyError(error), `it should be a ColloquyError: ${String(error)}`);
    return [{ kind: "rejected", error }];
  });
  const [outcome] = outcomes;
  assert.equal(outcome?.kind, "rejected", `it should be refused with ${code}`);
  assert.ok(outcome?.kind === "rejected");
  assert.equal(outcome.error.code, code);
}

/** Everything an iterable of batches yields. */
export async function collect<Item>(batches: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const batch of batches) items.push(...batch);
  return items;
}
