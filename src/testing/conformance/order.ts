/** Order of delivery: keys, and the lanes of a queue. */
import assert from "node:assert/strict";
import type { Delivery, Lane } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  assertRefused,
  dead,
  enqueue,
  enqueueOne,
  message,
  messages,
  numbered,
  planted,
  release,
  retry,
  settleOne,
  text,
} from "./messages.ts";
import type { Trial } from "./trial.ts";

/** Long enough that a message is stored and delivered before, on a slow machine too. */
const longMs = 1_500;

const needsKeyOrder = { needs: ["keyOrder"] } as const;
const needsPriorities = { needs: ["priorities"] } as const;

/** Two messages of one key, of which the first is held. */
async function heldHead(trial: Trial) {
  const queue = await trial.queue();
  await enqueue(trial.broker, queue, messages(["head", "next"], { key: "k" }));
  const receiver = trial.receive(queue);
  const head = await receiver.next();
  assert.equal(text(head.frame), "head");
  return { queue, receiver, head };
}

/** Receives and settles one after the other, and tells what lane each message was of. */
async function lanesServed(trial: Trial, queue: string, count: number): Promise<Lane[]> {
  const receiver = trial.receive(queue, { credit: 1 });
  const lanes: Lane[] = [];
  while (lanes.length < count) {
    const delivery = await receiver.next();
    lanes.push(Number(text(delivery.frame)) as Lane);
    await settleOne(trial.broker, delivery);
  }
  return lanes;
}

async function fillLanes(trial: Trial, lanes: readonly Lane[], count: number): Promise<string> {
  const queue = await trial.queue();
  for (const lane of lanes) {
    const contents = Array.from({ length: count }, () => `${lane}`);
    await enqueue(trial.broker, queue, messages(contents, { lane }));
  }
  return queue;
}

const keyCases: readonly ConformanceCase[] = [
  conformanceCase(
    "messages of one key are delivered one after the other, in order",
    async (trial) => {
      const queue = await trial.queue();
      await enqueue(trial.broker, queue, messages(numbered(10), { key: "k" }));
      const receiver = trial.receive(queue);
      for (const content of numbered(10)) {
        const delivery = await receiver.next();
        assert.equal(text(delivery.frame), content);
        if (content === "message 0") await trial.quiet();
        assert.equal(receiver.waiting, 0, "the next one waits for the settlement");
        await settleOne(trial.broker, delivery);
      }
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "a blocked key blocks no other key, and none without a key",
    async (trial) => {
      const queue = await trial.queue();
      await enqueue(trial.broker, queue, [
        ...messages(["a1", "a2", "a3"], { key: "a" }),
        ...messages(["b1", "b2"], { key: "b" }),
        ...messages(["free 1", "free 2"]),
      ]);
      const receiver = trial.receive(queue);
      const first = await receiver.take(4);
      await trial.quiet();
      assert.equal(receiver.waiting, 0);
      assert.deepEqual(first.map(({ frame }) => text(frame)).toSorted(), [
        "a1",
        "b1",
        "free 1",
        "free 2",
      ]);
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "a retried head comes back before the next of its key",
    async (trial) => {
      const { receiver, head } = await heldHead(trial);
      await settleOne(trial.broker, head, retry());
      const again = await receiver.next();
      assert.equal(text(again.frame), "head");
      await trial.quiet();
      assert.equal(receiver.waiting, 0);
      await settleOne(trial.broker, again);
      assert.equal(text((await receiver.next()).frame), "next");
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "a head that waits for its retry blocks its key meanwhile",
    async (trial) => {
      await trial.inTime(longMs, async (ms) => {
        const { queue, receiver, head } = await heldHead(trial);
        await settleOne(trial.broker, head, retry(ms));
        await enqueueOne(trial.broker, queue, message("other", { key: "other" }));
        const both = await receiver.take(2);
        assert.deepEqual(both.map(({ frame }) => text(frame)).toSorted(), ["head", "other"]);
        assert.equal(receiver.waiting, 0, "the next of its key waits");
        const again = both.find(({ frame }) => text(frame) === "head");
        assert.ok(again);
        await settleOne(trial.broker, again);
        assert.equal(text((await receiver.next()).frame), "next");
        // On a slow machine the head is there again before the other one, which it does not block.
        return again !== both[0];
      });
    },
    { needs: ["keyOrder", "delay"] },
  ),

  conformanceCase(
    "a released head comes back before the next of its key",
    async (trial) => {
      const { receiver, head } = await heldHead(trial);
      await settleOne(trial.broker, head, release);
      const again = await receiver.next();
      assert.equal(text(again.frame), "head");
      await settleOne(trial.broker, again);
      assert.equal(text((await receiver.next()).frame), "next");
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "a head whose receiver left comes back before the next of its key",
    async (trial) => {
      const { queue, receiver } = await heldHead(trial);
      const other = await trial.connect();
      const heir = trial.receive(queue, { broker: other });
      await receiver.stop();
      const again = await heir.next();
      assert.equal(text(again.frame), "head");
      await settleOne(other, again);
      assert.equal(text((await heir.next()).frame), "next");
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "a head that was held when its receiver was killed comes back before the next of its key",
    async (trial) => {
      const { queue } = await heldHead(trial);
      const broker = await trial.restart("crash");
      const heir = trial.receive(queue, { broker });
      const again = await heir.next();
      assert.equal(text(again.frame), "head");
      await trial.quiet();
      assert.equal(heir.waiting, 0);
      await settleOne(broker, again);
      assert.equal(text((await heir.next()).frame), "next");
    },
    { needs: ["keyOrder", "durability"] },
  ),

  conformanceCase(
    "a head that failed, or is dead, makes way for the next of its key",
    async (trial) => {
      const queue = await trial.queue();
      await enqueue(trial.broker, queue, messages(["failed", "dead", "next"], { key: "k" }));
      const receiver = trial.receive(queue);
      await settleOne(trial.broker, await receiver.next(), { kind: "failed", error: planted });
      const second = await receiver.next();
      assert.equal(text(second.frame), "dead");
      await settleOne(trial.broker, second, dead());
      assert.equal(text((await receiver.next()).frame), "next");
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "keys stay in order whoever receives, through retries and releases",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      const keys = 12;
      const perKey = 8;
      const sent = Array.from({ length: keys * perKey }, (_, index) =>
        message(`${index % keys}:${Math.floor(index / keys)}`, { key: `key ${index % keys}` }),
      );
      await enqueue(trial.broker, queue, sent);
      const settled: string[] = [];
      const failures: unknown[] = [];
      const work = async (broker: typeof other): Promise<void> => {
        const receiver = trial.receive(queue, { credit: 8, broker });
        for (let turn = 0; ; turn++) {
          const delivery = await receiver.next();
          const { failures, pickups } = delivery.attempts;
          const again = turn % 7 === 0 && failures + pickups < 3;
          if (!again) settled.push(text(delivery.frame));
          await settleOne(
            broker,
            delivery,
            again ? (turn % 2 === 0 ? retry() : release) : undefined,
          );
        }
      };
      for (const broker of [trial.broker, other]) {
        work(broker).catch((error: unknown) => failures.push(error));
      }
      await trial.eventually("all messages", () => {
        assert.deepEqual(failures, []);
        return settled.length >= sent.length ? true : undefined;
      });
      for (let key = 0; key < keys; key++) {
        const ofKey = settled.filter((content) => content.startsWith(`${key}:`));
        assert.deepEqual(
          ofKey,
          Array.from({ length: perKey }, (_, index) => `${key}:${index}`),
        );
      }
    },
    needsKeyOrder,
  ),

  conformanceCase(
    "a key holds within its lane only",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, message("normal", { key: "k", lane: 2 }));
      await enqueueOne(trial.broker, queue, message("high", { key: "k", lane: 1 }));
      const both = await trial.receive(queue).take(2);
      assert.deepEqual(both.map(({ frame }) => text(frame)).toSorted(), ["high", "normal"]);
    },
    { needs: ["keyOrder", "priorities"] },
  ),

  conformanceCase("messages without a key do not wait for one another", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(numbered(20)));
    const held: readonly Delivery[] = await trial.receive(queue, { credit: 20 }).take(20);
    assert.equal(new Set(held.map(({ position }) => position)).size, 20);
  }),

  conformanceCase(
    "a key is refused, not ignored",
    async (trial) => {
      const queue = await trial.queue();
      const sent = [message("ordered", { key: "k" })];
      await assertRefused(trial.broker.queues.enqueue(queue, sent), "UNSUPPORTED");
    },
    { lacks: ["keyOrder"] },
  ),
];

const laneCases: readonly ConformanceCase[] = [
  conformanceCase(
    "waiting lanes are served 8:4:2:1",
    async (trial) => {
      const queue = await fillLanes(trial, [3, 2, 1, 0], 60);
      const lanes = await lanesServed(trial, queue, 75);
      const served = [0, 1, 2, 3].map((lane) => lanes.filter((each) => each === lane).length);
      for (const [lane, share] of [40, 20, 10, 5].entries()) {
        const count = served[lane] ?? 0;
        assert.ok(Math.abs(count - share) <= 3.75, `served ${served} of 75, for 40,20,10,5`);
      }
    },
    needsPriorities,
  ),

  conformanceCase(
    "an empty lane leaves its share to the others",
    async (trial) => {
      const queue = await fillLanes(trial, [3, 0], 15);
      const lanes = await lanesServed(trial, queue, 30);
      assert.equal(lanes.filter((lane) => lane === 3).length, 15);
      const alone = await fillLanes(trial, [3], 10);
      assert.equal((await lanesServed(trial, alone, 10)).length, 10);
    },
    needsPriorities,
  ),

  conformanceCase(
    "what is critical overtakes what waits",
    async (trial) => {
      const queue = await fillLanes(trial, [3], 40);
      const receiver = trial.receive(queue, { credit: 1 });
      const head = await receiver.next();
      await enqueueOne(trial.broker, queue, message("0", { lane: 0 }));
      await settleOne(trial.broker, head);
      let before = 0;
      for (;;) {
        const delivery = await receiver.next();
        await settleOne(trial.broker, delivery);
        if (text(delivery.frame) === "0") break;
        before++;
      }
      assert.ok(before <= 15, `${before} of the low lane went first`);
    },
    needsPriorities,
  ),

  conformanceCase(
    "a lane is shown when browsing",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, message("urgent", { lane: 0 }));
      for await (const [stored] of trial.broker.queues.browse(queue, {}, trial.signal)) {
        assert.equal(stored?.lane, 0);
      }
    },
    needsPriorities,
  ),

  conformanceCase(
    "a lane is refused, not ignored",
    async (trial) => {
      const queue = await trial.queue();
      const sent = [message("urgent", { lane: 0 })];
      await assertRefused(trial.broker.queues.enqueue(queue, sent), "UNSUPPORTED");
    },
    { lacks: ["priorities"] },
  ),
];

export const orderCases: readonly ConformanceCase[] = [...keyCases, ...laneCases];
