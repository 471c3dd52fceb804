/** Queues: what is stored is delivered, to one receiver, as often as it takes. */
import assert from "node:assert/strict";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  assertRefused,
  assertRejects,
  attemptsMade,
  collect,
  done,
  enqueue,
  enqueueOne,
  message,
  messages,
  numbered,
  planted,
  release,
  retry,
  settle,
  settleAll,
  settleOne,
  text,
} from "./messages.ts";

export const queueCases: readonly ConformanceCase[] = [
  conformanceCase("what was stored is delivered, whoever stored it", async (trial) => {
    const queue = await trial.queue();
    const sender = await trial.connect();
    const position = await enqueueOne(sender, queue, "work");
    const delivery = await trial.receive(queue).next();
    assert.equal(text(delivery.frame), "work");
    assert.deepEqual([delivery.queue, delivery.position], [queue, position]);
    assert.equal(attemptsMade(delivery.attempts), 0);
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase("each message has an outcome, in order, and positions rise", async (trial) => {
    const queue = await trial.queue();
    const batches = [1, 3, 1000, 1];
    const positions: number[] = [];
    for (const count of batches) {
      positions.push(...(await enqueue(trial.broker, queue, messages(numbered(count)))));
    }
    assert.equal(positions.length, 1005);
    assert.ok(positions.every(Number.isSafeInteger));
    const rising = positions.every(
      (position, at) => at === 0 || position > (positions[at - 1] ?? 0),
    );
    assert.ok(rising, "positions count up");
  }),

  conformanceCase("positions name their messages", async (trial) => {
    const queue = await trial.queue();
    const sent = numbered(50);
    const positions = await enqueue(trial.broker, queue, messages(sent));
    const byPosition = new Map(positions.map((position, index) => [position, sent[index]]));
    const deliveries = await trial.receive(queue).take(50);
    for (const { position, frame } of deliveries)
      assert.equal(text(frame), byPosition.get(position));
  }),

  conformanceCase("nothing enqueued and nothing settled is nothing done", async (trial) => {
    const queue = await trial.queue();
    assert.deepEqual(await trial.broker.queues.enqueue(queue, []), []);
    assert.deepEqual(await trial.broker.queues.settle([]), []);
  }),

  conformanceCase("frames are delivered as they were: empty, binary, longest", async (trial) => {
    const queue = await trial.queue();
    const every = Uint8Array.from({ length: 512 }, (_, index) => index & 255);
    const longest = new Uint8Array(trial.broker.capabilities.frameBytesMax).fill(7);
    const frames = [new Uint8Array(), every, every.subarray(100, 356), longest];
    const positions = await enqueue(
      trial.broker,
      queue,
      frames.map((frame) => ({ ...message(""), frame })),
    );
    const deliveries = await trial.receive(queue).take(frames.length);
    for (const { position, frame } of deliveries) {
      const sent = frames[positions.indexOf(position)];
      assert.ok(sent !== undefined && Buffer.compare(frame, sent) === 0, `frame of ${position}`);
    }
  }),

  conformanceCase("a frame that is too long is refused", async (trial) => {
    const queue = await trial.queue();
    const frame = new Uint8Array(trial.broker.capabilities.frameBytesMax + 1);
    const call = trial.broker.queues.enqueue(queue, [{ ...message(""), frame }]);
    await assertRefused(call, "MESSAGE_TOO_LARGE");
    await enqueueOne(trial.broker, queue, "shorter");
    assert.equal(text((await trial.receive(queue).next()).frame), "shorter");
  }),

  conformanceCase("a queue that was never declared takes nothing", async (trial) => {
    const call = trial.broker.queues.enqueue(trial.name("undeclared"), [message("lost")]);
    await assertRefused(call, "NO_ELIGIBLE_AGENT");
  }),

  conformanceCase("every message goes to one receiver only", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    const receivers = [
      trial.receive(queue, { credit: 10 }),
      trial.receive(queue, { credit: 10 }),
      trial.receive(queue, { credit: 10, broker: other }),
    ];
    await enqueue(trial.broker, queue, messages(numbered(90)));
    const brokers = [trial.broker, trial.broker, other];
    const deliveries = () => receivers.flatMap(({ all }) => all);
    for (const [index, receiver] of receivers.entries()) {
      const settleEach = async () => {
        for (;;) await settleOne(brokers[index] ?? other, await receiver.next());
      };
      settleEach().catch(() => {});
    }
    await trial.eventually("all messages", () => (deliveries().length >= 90 ? true : undefined));
    await trial.quiet();
    const seen = deliveries().map(({ frame }) => text(frame));
    assert.equal(seen.length, 90, "none was delivered twice");
    assert.equal(new Set(seen).size, 90);
  }),

  conformanceCase("a receiver that waits is woken by the next message", async (trial) => {
    const queue = await trial.queue();
    const sender = await trial.connect();
    const receiver = trial.receive(queue);
    for (const content of numbered(5)) {
      await trial.quiet();
      await enqueueOne(sender, queue, content);
      const delivery = await receiver.next();
      assert.equal(text(delivery.frame), content);
      await settleOne(trial.broker, delivery);
    }
  }),

  conformanceCase("queues are apart from one another", async (trial) => {
    const [first, second] = [await trial.queue(), await trial.queue()];
    const receiver = trial.receive(second);
    await enqueueOne(trial.broker, first, "for the first");
    await enqueueOne(trial.broker, second, "for the second");
    assert.equal(text((await receiver.next()).frame), "for the second");
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
    assert.equal(text((await trial.receive(first).next()).frame), "for the first");
  }),

  conformanceCase("what is done is not delivered again", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(numbered(3)));
    const receiver = trial.receive(queue);
    await settleAll(trial.broker, await receiver.take(3));
    await receiver.stop();
    const late = trial.receive(queue);
    await trial.quiet();
    assert.equal(late.waiting, 0);
  }),

  conformanceCase("a final answer that is a failure is not delivered again", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "refused by its handler");
    const receiver = trial.receive(queue);
    await settleOne(trial.broker, await receiver.next(), { kind: "failed", error: planted });
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
    const state = await trial.broker.queues.track(queue, position);
    assert.ok(state.state === "failed", state.state);
    assert.equal(state.error.code, planted.code);
    assert.equal(state.error.message, planted.message);
  }),

  conformanceCase("a retry is delivered again, and counted as a failure", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "flaky");
    const receiver = trial.receive(queue);
    for (const failures of [0, 1, 2]) {
      const delivery = await receiver.next();
      assert.equal(text(delivery.frame), "flaky");
      assert.deepEqual(delivery.attempts, { failures, pickups: 0, crashes: 0 });
      await settleOne(trial.broker, delivery, retry());
    }
    assert.equal((await receiver.next()).attempts.failures, 3);
  }),

  conformanceCase("a release is delivered again, and is no failure", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "not started");
    const receiver = trial.receive(queue);
    await settleOne(trial.broker, await receiver.next(), release);
    const again = await receiver.next();
    assert.equal(again.position, position, "it is the same message");
    assert.deepEqual(again.attempts, { failures: 0, pickups: 1, crashes: 0 });
  }),

  conformanceCase("settlements have an outcome each, in order", async (trial) => {
    const queue = await trial.queue();
    const [first, third] = [await trial.queue(), await trial.queue()];
    for (const each of [first, queue, third]) await enqueueOne(trial.broker, each, "work");
    const leaver = trial.receive(queue);
    const left = await leaver.next();
    await leaver.stop();
    await trial.receive(queue).next();
    const held = [await trial.receive(first).next(), left, await trial.receive(third).next()];
    const outcomes = await trial.broker.queues.settle(
      held.map(({ queue, position, fence }) => ({ queue, position, fence, outcome: done })),
    );
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["settled", "stale", "settled"],
    );
  }),

  conformanceCase("a settlement of what was never there is stale", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "there");
    const delivery = await trial.receive(queue).next();
    const position = delivery.position + 1_000;
    assert.deepEqual(await settle(trial.broker, { ...delivery, position }), { kind: "stale" });
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase("an enqueue under an aborted signal is cancelled", async (trial) => {
    const queue = await trial.queue();
    const call = trial.broker.queues.enqueue(queue, [message("never")], AbortSignal.abort());
    await assertRejects(call, "CANCELLED");
  }),

  conformanceCase("whatever else is asked under an aborted signal is cancelled", async (trial) => {
    const { queues } = trial.broker;
    const queue = await trial.queue();
    const signal = AbortSignal.abort();
    const answer = { number: 1, data: new Uint8Array([1]) };
    await assertRejects(queues.declare([queue], signal), "CANCELLED");
    await assertRejects(queues.remove([queue], signal), "CANCELLED");
    await assertRejects(queues.mailboxes(signal), "CANCELLED");
    await assertRejects(queues.cancel(queue, 1, { signal }), "CANCELLED");
    await assertRejects(queues.answer(queue, 1, answer, signal), "CANCELLED");
    await assertRejects(queues.replay([1], signal), "CANCELLED");
    await assertRejects(queues.purge([1], signal), "CANCELLED");
    await assertRejects(collect(queues.browse(queue, {}, signal)), "CANCELLED");
    await assertRejects(collect(queues.deadLetters({}, signal)), "CANCELLED");
    assert.ok((await queues.mailboxes()).some((mailbox) => mailbox.queue === queue));
  }),

  conformanceCase("receiving ends without throwing once it is aborted", async (trial) => {
    const queue = await trial.queue();
    const idle = trial.receive(queue);
    await trial.quiet();
    await idle.stop();
    const signal = AbortSignal.abort();
    const batches = trial.broker.queues.receive(queue, { credit: 1, consumer: "late" }, signal);
    assert.deepEqual(await trial.within("the end", collect(batches)), []);
  }),
];
