/** Time: what is not offered yet, and what is not offered any more. */
import assert from "node:assert/strict";
import type { Delivery } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  assertRefused,
  collect,
  enqueue,
  enqueueOne,
  message,
  messages,
  planted,
  retry,
  settle,
  settleAll,
  settleOne,
  text,
} from "./messages.ts";
import type { Receiver } from "./receiver.ts";
import type { Trial } from "./trial.ts";

const needsDelay = { needs: ["delay"] } as const;
/** Long enough that nothing else takes as long. */
const delayMs = 300;
/** Long enough that a message is delivered before, unless the machine stands still. */
const longMs = 1_000;

async function expectExpired(trial: Trial, queue: string, position: number): Promise<void> {
  const { queues } = trial.broker;
  const state = await trial.within("the expiry", queues.track(queue, position, { wait: true }));
  assert.ok(state.state === "expired", state.state);
  assert.equal(state.error.code, "EXPIRED");
}

/** Resolves when the broker says that it is so late: it may know the time only nearly. */
async function isPast(trial: Trial, expiresAtMs: number): Promise<void> {
  const queue = await trial.queue();
  const position = await enqueueOne(trial.broker, queue, message("witness", { expiresAtMs }));
  await expectExpired(trial, queue, position);
}

/** A message of a new queue that was delivered before it expires. */
async function takenInTime(trial: Trial) {
  const queue = await trial.queue();
  const receiver = trial.receive(queue);
  let expiresAtMs = 0;
  let position = 0;
  await trial.inTime(longMs, async (ms) => {
    expiresAtMs = trial.clock.nowMs() + ms;
    position = await enqueueOne(trial.broker, queue, message("work", { expiresAtMs }));
    return (await deliveredOrExpired(trial, receiver, queue, position)) === "delivered";
  });
  return { queue, receiver, position, expiresAtMs, delivery: await receiver.next() };
}

function deliveredOrExpired(
  trial: Trial,
  receiver: Receiver,
  queue: string,
  position: number,
): Promise<"delivered" | "expired"> {
  return trial.eventually("it is delivered, or has expired", async () => {
    if (receiver.waiting > 0) return "delivered";
    const { state } = await trial.broker.queues.track(queue, position);
    return state === "expired" ? state : undefined;
  });
}

/** In which order they have come; undefined where one was so late that the next was due. */
async function orderOfDelayed(trial: Trial, apartMs: number): Promise<string[] | undefined> {
  const queue = await trial.queue();
  const firstMs = trial.clock.nowMs() + 3 * apartMs;
  const [secondMs, thirdMs] = [firstMs + apartMs, firstMs + 2 * apartMs];
  await enqueue(trial.broker, queue, [
    message("third", { notBeforeMs: thirdMs }),
    message("first", { notBeforeMs: firstMs }),
    message("second", { notBeforeMs: secondMs }),
    message("at once"),
  ]);
  const receiver = trial.receive(queue);
  const contents: string[] = [];
  for (const nextMs of [firstMs, secondMs, thirdMs, Number.POSITIVE_INFINITY]) {
    contents.push(text((await receiver.next()).frame));
    if (trial.clock.nowMs() >= nextMs) return undefined;
  }
  return contents;
}

const delayCases: readonly ConformanceCase[] = [
  conformanceCase(
    "a delayed message is delivered, and never early",
    async (trial) => {
      const queue = await trial.queue();
      const receiver = trial.receive(queue);
      const notBeforeMs = trial.clock.nowMs() + delayMs;
      await enqueueOne(trial.broker, queue, message("later", { notBeforeMs }));
      const delivery = await receiver.next();
      assert.ok(trial.clock.nowMs() >= notBeforeMs, "it came early");
      assert.equal(text(delivery.frame), "later");
      assert.deepEqual(delivery.attempts, { failures: 0, pickups: 0, crashes: 0 });
      await settleOne(trial.broker, delivery);
    },
    needsDelay,
  ),

  conformanceCase(
    "delayed messages come by their time, not by the order of sending",
    async (trial) => {
      // What is due when a slow machine gets to it comes by position: then again, further apart.
      await trial.inTime(delayMs, async (apartMs) => {
        const contents = await orderOfDelayed(trial, apartMs);
        if (contents === undefined) return false;
        assert.deepEqual(contents, ["at once", "first", "second", "third"]);
        return true;
      });
    },
    needsDelay,
  ),

  conformanceCase(
    "many delayed messages all come, each in its time",
    async (trial) => {
      const queue = await trial.queue();
      const nowMs = trial.clock.nowMs();
      const dueMs = (index: number) => nowMs + 100 + ((7 * index) % 300);
      const sent = Array.from({ length: 300 }, (_, index) =>
        message(`${dueMs(index)}`, { notBeforeMs: dueMs(index) }),
      );
      await enqueue(trial.broker, queue, sent);
      const receiver = trial.receive(queue, { credit: 300 });
      const deliveries: Delivery[] = [];
      while (deliveries.length < 300) {
        const delivery = await receiver.next();
        assert.ok(trial.clock.nowMs() >= Number(text(delivery.frame)), "it came early");
        deliveries.push(delivery);
      }
      await settleAll(trial.broker, deliveries);
      await trial.quiet();
      assert.equal(receiver.waiting, 0);
    },
    needsDelay,
  ),

  conformanceCase(
    "a time that has passed is no delay",
    async (trial) => {
      const queue = await trial.queue();
      const notBeforeMs = trial.clock.nowMs() - 60_000;
      await enqueueOne(trial.broker, queue, message("overdue", { notBeforeMs }));
      assert.equal(text((await trial.receive(queue).next()).frame), "overdue");
    },
    needsDelay,
  ),

  conformanceCase(
    "a delayed message can be seen and tracked while it waits",
    async (trial) => {
      const queue = await trial.queue();
      const notBeforeMs = trial.clock.nowMs() + 3_600_000;
      const position = await enqueueOne(trial.broker, queue, message("later", { notBeforeMs }));
      const [stored] = await collect(trial.broker.queues.browse(queue, {}, trial.signal));
      assert.equal(stored?.position, position);
      assert.equal(stored?.state, "scheduled");
      assert.equal(stored?.notBeforeMs, notBeforeMs);
      assert.equal((await trial.broker.queues.track(queue, position)).state, "queued");
      const [mailbox] = await trial.broker.queues.mailboxes();
      assert.equal(mailbox?.waiting, 1);
    },
    needsDelay,
  ),

  conformanceCase(
    "a delayed retry is never early",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "flaky");
      const receiver = trial.receive(queue);
      const startMs = trial.clock.nowMs();
      await settleOne(trial.broker, await receiver.next(), retry(delayMs));
      const again = await receiver.next();
      assert.ok(trial.clock.nowMs() >= startMs + delayMs, "it came early");
      assert.equal(again.attempts.failures, 1);
      await settleOne(trial.broker, again);
    },
    needsDelay,
  ),

  conformanceCase(
    "a delayed message reaches a receiver that came meanwhile, of any client",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      const notBeforeMs = trial.clock.nowMs() + delayMs;
      await enqueueOne(trial.broker, queue, message("later", { notBeforeMs }));
      assert.equal(text((await trial.receive(queue, { broker: other }).next()).frame), "later");
      assert.ok(trial.clock.nowMs() >= notBeforeMs);
    },
    needsDelay,
  ),

  conformanceCase(
    "a delay is refused, not ignored",
    async (trial) => {
      const queue = await trial.queue();
      const notBeforeMs = trial.clock.nowMs() + delayMs;
      const sent = [message("later", { notBeforeMs })];
      await assertRefused(trial.broker.queues.enqueue(queue, sent), "UNSUPPORTED");
    },
    { lacks: ["delay"] },
  ),

  conformanceCase(
    "a delayed retry is refused, not ignored",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "flaky");
      const delivery = await trial.receive(queue).next();
      const settled = await settle(trial.broker, delivery, retry(delayMs)).catch(
        (error: unknown) => ({ kind: "refused", error }) as const,
      );
      assert.ok(settled.kind === "refused", settled.kind);
      assert.ok((settled.error as { code?: string }).code === "UNSUPPORTED");
    },
    { lacks: ["delay"] },
  ),
];

const expiryCases: readonly ConformanceCase[] = [
  conformanceCase("a message does not expire before its time", async (trial) => {
    const queue = await trial.queue();
    const expiresAtMs = trial.clock.nowMs() + 450;
    const position = await enqueueOne(trial.broker, queue, message("work", { expiresAtMs }));
    const receiver = trial.receive(queue);
    const became = await deliveredOrExpired(trial, receiver, queue, position);
    // A slow machine may be late.
    if (became === "expired") assert.ok(trial.clock.nowMs() >= expiresAtMs, "it was early");
  }),

  conformanceCase("a message that expired while it waited is not delivered", async (trial) => {
    const queue = await trial.queue();
    const expiresAtMs = trial.clock.nowMs() + delayMs;
    const [position] = await enqueue(trial.broker, queue, [
      message("stale", { expiresAtMs }),
      message("fresh", { expiresAtMs: expiresAtMs + 3_600_000 }),
    ]);
    await isPast(trial, expiresAtMs);
    const receiver = trial.receive(queue);
    assert.equal(text((await receiver.next()).frame), "fresh");
    await expectExpired(trial, queue, position ?? 0);
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase("a message that is expired when it is sent is not delivered", async (trial) => {
    const queue = await trial.queue();
    const receiver = trial.receive(queue);
    const expiresAtMs = trial.clock.nowMs() - 1_000;
    const sent = [message("too late", { expiresAtMs })];
    const [outcome] = await trial.broker.queues.enqueue(queue, sent);
    await enqueueOne(trial.broker, queue, "in time");
    assert.equal(text((await receiver.next()).frame), "in time");
    if (outcome?.kind === "stored") await expectExpired(trial, queue, outcome.position);
    else assert.ok(outcome?.kind === "rejected" && outcome.error.code === "EXPIRED");
  }),

  conformanceCase("a message in hand does not expire", async (trial) => {
    const { queue, position, expiresAtMs, delivery } = await takenInTime(trial);
    await isPast(trial, expiresAtMs);
    await settleOne(trial.broker, delivery);
    assert.equal((await trial.broker.queues.track(queue, position)).state, "done");
  }),

  conformanceCase("a retry does not outlive its message", async (trial) => {
    const { queue, receiver, position, expiresAtMs, delivery } = await takenInTime(trial);
    await isPast(trial, expiresAtMs);
    await settleOne(trial.broker, delivery, retry());
    await expectExpired(trial, queue, position);
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase(
    "a retry that would come after the expiry expires",
    async (trial) => {
      const { queue, receiver, position, expiresAtMs, delivery } = await takenInTime(trial);
      const leftMs = Math.max(0, expiresAtMs - trial.clock.nowMs());
      await settleOne(trial.broker, delivery, retry(leftMs + longMs));
      await expectExpired(trial, queue, position);
      assert.equal(receiver.waiting, 0);
    },
    needsDelay,
  ),

  conformanceCase(
    "a message whose time has come waits behind what is held of its key, by whichever client",
    async (trial) => {
      const other = await trial.connect();
      await trial.inTime(longMs, async (ms) => {
        const queue = await trial.queue();
        const notBeforeMs = trial.clock.nowMs() + ms;
        const held = trial.receive(queue, { broker: other, credit: 1 });
        await enqueue(trial.broker, queue, [
          message("delayed", { key: "k", notBeforeMs }),
          message("held", { key: "k" }),
          message("probe", { notBeforeMs }),
        ]);
        const delivery = await held.next();
        if (trial.clock.nowMs() >= notBeforeMs) return false;
        assert.equal(text(delivery.frame), "held");
        const receiver = trial.receive(queue);
        assert.equal(text((await receiver.next()).frame), "probe", "the time has come");
        await trial.quiet();
        assert.equal(receiver.waiting, 0);
        await settleOne(other, delivery);
        await held.stop();
        assert.equal(text((await receiver.next()).frame), "delayed");
        return true;
      });
    },
    { needs: ["keyOrder", "delay"] },
  ),

  conformanceCase(
    "an expired message makes way for the next of its key",
    async (trial) => {
      const queue = await trial.queue();
      const expiresAtMs = trial.clock.nowMs() + delayMs;
      await enqueue(trial.broker, queue, [
        message("held", { key: "k" }),
        message("stale", { key: "k", expiresAtMs }),
        message("next", { key: "k" }),
      ]);
      const receiver = trial.receive(queue);
      const held = await receiver.next();
      await isPast(trial, expiresAtMs);
      await settleOne(trial.broker, held, { kind: "failed", error: planted });
      assert.equal(text((await receiver.next()).frame), "next");
    },
    { needs: ["keyOrder"] },
  ),

  conformanceCase("many expired messages do not hide the one that is not", async (trial) => {
    const queue = await trial.queue();
    const expiresAtMs = trial.clock.nowMs() + delayMs;
    const stale = messages(
      Array.from({ length: 500 }, () => "stale"),
      { expiresAtMs },
    );
    await enqueue(trial.broker, queue, [...stale, message("fresh")]);
    await isPast(trial, expiresAtMs);
    assert.equal(text((await trial.receive(queue, { credit: 1 }).next()).frame), "fresh");
  }),
];

export const timeCases: readonly ConformanceCase[] = [...delayCases, ...expiryCases];
