/** Much at once: queues that are longer than any window, and messages larger than any buffer. */
import assert from "node:assert/strict";
import type { Delivery } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  collect,
  enqueue,
  enqueueOne,
  message,
  messages,
  numbered,
  settleAll,
  settleOne,
  text,
} from "./messages.ts";
import type { Trial } from "./trial.ts";

const many = 6_000;
const perBatch = 500;

async function fill(trial: Trial, queue: string, key?: (index: number) => string): Promise<void> {
  const sent = numbered(many).map((content, index) =>
    message(content, key === undefined ? {} : { key: key(index) }),
  );
  for (let begin = 0; begin < many; begin += perBatch) {
    await enqueue(trial.broker, queue, sent.slice(begin, begin + perBatch));
  }
}

/** Receives `count` messages and settles them, some at a time. */
async function receiveAll(trial: Trial, queue: string, count: number): Promise<Delivery[]> {
  const receiver = trial.receive(queue, { credit: 500 });
  const received: Delivery[] = [];
  while (received.length < count) {
    const deliveries = [await receiver.next()];
    while (receiver.waiting > 0) deliveries.push(await receiver.next());
    await settleAll(trial.broker, deliveries);
    received.push(...deliveries);
  }
  await trial.quiet();
  assert.equal(receiver.waiting, 0, "nothing comes twice");
  await receiver.stop();
  return received;
}

export const backlogCases: readonly ConformanceCase[] = [
  conformanceCase("a long queue is delivered whole, each message once", async (trial) => {
    const queue = await trial.queue();
    await fill(trial, queue);
    const received = await receiveAll(trial, queue, many);
    assert.equal(new Set(received.map(({ position }) => position)).size, many);
    const [mailbox] = await trial.broker.queues.mailboxes();
    assert.equal(mailbox?.waiting, 0);
  }),

  conformanceCase("a long queue is browsed whole, in order", async (trial) => {
    const queue = await trial.queue();
    await fill(trial, queue);
    const stored = await collect(trial.broker.queues.browse(queue, {}, trial.signal));
    assert.deepEqual(
      stored.map(({ frame }) => text(frame)),
      numbered(many),
    );
  }),

  conformanceCase("a long queue goes on where it was left", async (trial) => {
    const queue = await trial.queue();
    await fill(trial, queue);
    const first = await trial.receive(queue, { credit: 1_000 }).take(1_000);
    await settleAll(trial.broker, first.slice(300, 800));
    const other = await trial.connect();
    const holder = trial.receive(queue, { credit: 700, broker: other });
    await holder.take(700);
    await holder.stop();
    const states = new Map<string, number>();
    for (const { state } of await collect(trial.broker.queues.browse(queue, {}, trial.signal))) {
      states.set(state, (states.get(state) ?? 0) + 1);
    }
    assert.equal((states.get("queued") ?? 0) + (states.get("offered") ?? 0), many - 500);
    await settleAll(trial.broker, [...first.slice(0, 300), ...first.slice(800)]);
    const [mailbox] = await trial.broker.queues.mailboxes();
    assert.equal(mailbox?.waiting, many - 1_000);
  }),

  conformanceCase(
    "keys stay in order through a long queue",
    async (trial) => {
      const queue = await trial.queue();
      const keys = 150;
      await fill(trial, queue, (index) => `key ${index % keys}`);
      const received = await receiveAll(trial, queue, many);
      const last = new Map<number, number>();
      for (const { frame } of received) {
        const index = Number(text(frame).split(" ")[1]);
        assert.ok(index > (last.get(index % keys) ?? -1), `message ${index}`);
        last.set(index % keys, index);
      }
    },
    { needs: ["keyOrder"] },
  ),

  conformanceCase(
    "a key that is blocked for long does not hide what waits behind it",
    async (trial) => {
      const queue = await trial.queue();
      await fill(trial, queue, () => "blocked");
      const receiver = trial.receive(queue);
      const head = await receiver.next();
      assert.equal(text(head.frame), "message 0");
      await enqueueOne(trial.broker, queue, message("free", { key: "free" }));
      assert.equal(text((await receiver.next()).frame), "free");
      for (let next = 1, held = head; next < 20; next++) {
        await settleOne(trial.broker, held);
        held = await receiver.next();
        assert.equal(text(held.frame), `message ${next}`);
      }
    },
    { needs: ["keyOrder"] },
  ),

  conformanceCase("many large messages at once are stored and delivered whole", async (trial) => {
    const queue = await trial.queue();
    const bytes = Math.min(300_000, trial.broker.capabilities.frameBytesMax);
    const frames = Array.from({ length: 40 }, (_, index) => new Uint8Array(bytes).fill(index));
    await Promise.all(
      frames.map((frame) => enqueue(trial.broker, queue, [{ ...message(""), frame }])),
    );
    const deliveries = await trial.receive(queue, { credit: 40 }).take(40);
    const found = deliveries.map(({ frame }) => frame[0] ?? -1).toSorted((a, b) => a - b);
    assert.deepEqual(
      found,
      frames.map((_, index) => index),
    );
    for (const { frame } of deliveries) {
      assert.ok(frame.length === bytes && frame.every((byte) => byte === frame[0]));
    }
  }),

  conformanceCase("many enqueues at once have an outcome each, in order", async (trial) => {
    const queue = await trial.queue();
    const calls = 36;
    const outcomes = await trial.within(
      "all outcomes",
      Promise.all(
        Array.from({ length: calls }, (_, call) =>
          enqueue(trial.broker, queue, messages(Array.from({ length: perBatch }, () => `${call}`))),
        ),
      ),
    );
    const positions = outcomes.flat();
    assert.equal(new Set(positions).size, calls * perBatch);
    const rising = positions.every((position, at) => position > (positions[at - 1] ?? 0));
    assert.ok(rising, "what one client sends first is first");
  }),

  conformanceCase(
    "what is looked through across a broken connection is whole, and nothing twice",
    async (trial) => {
      const queue = await trial.queue();
      const client = await trial.connect();
      await fill(trial, queue);
      const positions: number[] = [];
      for await (const stored of client.queues.browse(queue, {}, trial.signal)) {
        if (positions.length === 0) await trial.disconnect(client);
        positions.push(...stored.map(({ position }) => position));
      }
      assert.equal(positions.length, many);
      assert.ok(positions.every((position, at) => position > (positions[at - 1] ?? 0)));
    },
    { needs: ["disconnect"] },
  ),

  conformanceCase(
    "a limit holds across a broken connection",
    async (trial) => {
      const queue = await trial.queue();
      const client = await trial.connect();
      await fill(trial, queue);
      const limit = many - 700;
      let seen = 0;
      for await (const stored of client.queues.browse(queue, { limit }, trial.signal)) {
        if (seen === 0) await trial.disconnect(client);
        seen += stored.length;
      }
      assert.equal(seen, limit);
    },
    { needs: ["disconnect"] },
  ),

  conformanceCase(
    "a long queue survives a crash, less what was settled",
    async (trial) => {
      const queue = await trial.queue();
      await fill(trial, queue);
      const receiver = trial.receive(queue, { credit: 2_000 });
      const held = await receiver.take(2_000);
      await settleAll(trial.broker, held.slice(500, 1_500));
      await trial.restart("crash");
      const received = await receiveAll(trial, queue, many - 1_000);
      assert.equal(new Set(received.map(({ frame }) => text(frame))).size, many - 1_000);
    },
    { needs: ["durability"] },
  ),

  conformanceCase("many queues at once each keep their own", async (trial) => {
    const queues = Array.from({ length: 60 }, (_, index) => `queue ${index}`);
    await trial.broker.queues.declare(queues);
    await Promise.all(
      queues.map((queue) => enqueue(trial.broker, queue, messages([`${queue} a`, `${queue} b`]))),
    );
    await Promise.all(
      queues.map(async (queue) => {
        const deliveries = await trial.receive(queue).take(2);
        const found = deliveries.map(({ frame }) => text(frame)).toSorted();
        assert.deepEqual(found, [`${queue} a`, `${queue} b`]);
        await settleAll(trial.broker, deliveries);
      }),
    );
    const waiting = (await trial.broker.queues.mailboxes()).map((info) => info.waiting);
    assert.deepEqual(
      waiting,
      queues.map(() => 0),
    );
  }),
];
