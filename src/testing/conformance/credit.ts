/** Credit: how much a receiver holds, whatever becomes of what it holds. */
import assert from "node:assert/strict";
import type { Delivery, Outcome } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { Holder, report } from "./holder.ts";
import {
  bytes,
  dead,
  done,
  enqueue,
  enqueueOne,
  messages,
  numbered,
  planted,
  release,
  retry,
  settle,
  settleAll,
  settleOne,
} from "./messages.ts";
import type { Trial } from "./trial.ts";

const failed: Outcome = { kind: "failed", error: planted };
const question = { kind: "waiting-input", number: 1, question: bytes("which?") } as const;
const answer = { number: 1, data: bytes("that") } as const;

export const creditCases: readonly ConformanceCase[] = [
  conformanceCase("a receiver never holds more than its credit", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(numbered(40)));
    const receiver = trial.receive(queue, { credit: 7 });
    const held = await receiver.take(7);
    await trial.quiet();
    assert.equal(receiver.waiting, 0, "credit is used up");
    await settleAll(trial.broker, held.slice(0, 3));
    await receiver.take(3);
    await trial.quiet();
    assert.equal(receiver.waiting, 0, "three settlements made room for three");
    assert.ok(receiver.longestBatch <= 7);
  }),

  conformanceCase("every kind of settlement makes room", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(numbered(10)));
    const receiver = trial.receive(queue, { credit: 1 });
    await settleOne(trial.broker, await receiver.next(), release);
    await settleOne(trial.broker, await receiver.next(), { kind: "failed", error: planted });
    await settleOne(trial.broker, await receiver.next(), { kind: "dead", error: planted });
    await settleOne(trial.broker, await receiver.next(), retry());
    await settleOne(trial.broker, await receiver.next());
    await receiver.next();
  }),

  conformanceCase("no settlement makes more room than it takes", async (trial) => {
    const queue = await trial.queue();
    const holder = new Holder(trial, queue, trial.broker, 2);
    await enqueueOne(trial.broker, queue, "kept all the time");
    await holder.next();
    const result = new Uint8Array(1);
    for (const outcome of [done, { kind: "done", result } as const, failed, dead()]) {
      await enqueueOne(trial.broker, queue, "work");
      await settleOne(trial.broker, await holder.next(), outcome);
      await assertRoom(trial, holder, queue, 1);
    }
    for (const outcome of [release, retry()]) {
      await enqueueOne(trial.broker, queue, "work");
      await settleOne(trial.broker, await holder.next(), outcome);
      await settleOne(trial.broker, await holder.next());
      await assertRoom(trial, holder, queue, 1);
    }
    await enqueueOne(trial.broker, queue, "work");
    const cancelled = await holder.next();
    await trial.broker.queues.cancel(queue, cancelled.position);
    await holder.notice("cancel", cancelled);
    await settle(trial.broker, cancelled);
    await assertRoom(trial, holder, queue, 1);
    await enqueueOne(trial.broker, queue, "work");
    const twice = await holder.next();
    await Promise.all([settle(trial.broker, twice), settle(trial.broker, twice)]);
    await assertRoom(trial, holder, queue, 1);
  }),

  conformanceCase("what is settled while it waits for input makes no room again", async (trial) => {
    const queue = await trial.queue();
    const holder = new Holder(trial, queue, trial.broker, 1);
    const asking = await ask(trial, holder, queue);
    await enqueueOne(trial.broker, queue, "meanwhile");
    const meanwhile = await holder.next();
    await settleOne(trial.broker, asking);
    await enqueueOne(trial.broker, queue, "more");
    await trial.quiet();
    assert.equal(holder.receiver.waiting, 0, "its room was given away before");
    await settleOne(trial.broker, meanwhile);
    await settleOne(trial.broker, await holder.next());
    await assertRoom(trial, holder, queue, 1);
  }),

  conformanceCase("what has its answer takes up room again", async (trial) => {
    const queue = await trial.queue();
    const holder = new Holder(trial, queue, trial.broker, 1);
    for (const when of ["before", "after"]) {
      const asking = await ask(trial, holder, queue);
      const { position } = asking;
      await enqueueOne(trial.broker, queue, "meanwhile");
      const meanwhile = await holder.next();
      if (when === "before") await settleOne(trial.broker, meanwhile);
      assert.equal(await trial.broker.queues.answer(queue, position, answer), "accepted");
      await holder.notice("input", asking);
      if (when === "after") await settleOne(trial.broker, meanwhile);
      await enqueueOne(trial.broker, queue, "more");
      await trial.quiet();
      assert.equal(holder.receiver.waiting, 0, `what else it had was settled ${when} the answer`);
      await settleOne(trial.broker, asking);
      await settleOne(trial.broker, await holder.next());
    }
  }),
];

/** One delivery whose handler waits for an answer. */
async function ask(trial: Trial, holder: Holder, queue: string): Promise<Delivery> {
  await enqueueOne(trial.broker, queue, "asks");
  const asking = await holder.next();
  await report(trial.broker, asking, question);
  return asking;
}

/** That of what waits just so many come, and then the rest, as they are settled. */
async function assertRoom(
  trial: Trial,
  { receiver }: Holder,
  queue: string,
  room: number,
): Promise<void> {
  await enqueue(trial.broker, queue, messages(numbered(3 * room)));
  const first = await receiver.take(room);
  await trial.quiet();
  assert.equal(receiver.waiting, 0, "there is no room for more");
  await settleAll(trial.broker, first);
  for (let count = room; count < 3 * room; count++) {
    await settleOne(trial.broker, await receiver.next());
  }
}
