/** Senders that give up, or want their messages back. */
import assert from "node:assert/strict";
import type { Notice } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { follow, Holder, report } from "./holder.ts";
import {
  bytes,
  enqueue,
  enqueueOne,
  message,
  messages,
  numbered,
  planted,
  release,
  retry,
  settle,
  settleOne,
  text,
} from "./messages.ts";

const rescinded = { kind: "rescinded", error: planted } as const;

export const cancelCases: readonly ConformanceCase[] = [
  conformanceCase("a message that is cancelled while it waits is never offered", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    const [first = 0, second = 0] = await enqueue(trial.broker, queue, messages(["a", "b"]));
    assert.equal(await other.queues.cancel(queue, first, { reason: planted }), "cancelled");
    const state = await trial.broker.queues.track(queue, first, { wait: true });
    assert.deepEqual(state, { state: "cancelled", error: planted });
    const receiver = trial.receive(queue);
    assert.equal((await receiver.next()).position, second);
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase(
    "a message that is cancelled before its time has come is never offered",
    async (trial) => {
      const { queues } = trial.broker;
      await trial.inTime(1_500, async (ms) => {
        const queue = await trial.queue();
        const notBeforeMs = trial.clock.nowMs() + ms;
        const position = await enqueueOne(trial.broker, queue, message("later", { notBeforeMs }));
        const receiver = trial.receive(queue);
        const outcome = await queues.cancel(queue, position);
        if (trial.clock.nowMs() >= notBeforeMs) return false;
        assert.equal(outcome, "cancelled");
        await trial.sleep(ms + 200);
        assert.equal(receiver.waiting, 0);
        assert.equal((await queues.track(queue, position)).state, "cancelled");
        const mailbox = (await queues.mailboxes()).find((info) => info.queue === queue);
        assert.equal(mailbox?.waiting, 0, "nothing is left of it");
        return true;
      });
    },
    { needs: ["delay"] },
  ),

  conformanceCase(
    "a message that is cancelled in somebody's hands ends at once, and what its holder does has no effect",
    async (trial) => {
      const queue = await trial.queue();
      const outbox = await trial.queue();
      const other = await trial.connect();
      const position = await enqueueOne(trial.broker, queue, "held");
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      assert.equal(await other.queues.cancel(queue, position, { reason: planted }), "cancelled");
      assert.equal((await other.queues.track(queue, position)).state, "cancelled");
      const { reason } = await holder.notice("cancel", delivery);
      assert.deepEqual(reason, planted);
      const effect = { kind: "enqueue", queue: outbox, message: message("effect") } as const;
      const late = { kind: "done", result: bytes("late") } as const;
      assert.deepEqual(await settle(trial.broker, delivery, late, [effect]), { kind: "stale" });
      assert.equal((await other.queues.track(queue, position)).state, "cancelled");
      const receiver = trial.receive(outbox);
      await trial.quiet();
      assert.equal(receiver.waiting, 0);
    },
  ),

  conformanceCase(
    "of a settlement and a cancellation that come at once one counts",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      await enqueue(trial.broker, queue, messages(numbered(20)));
      const deliveries = await trial.receive(queue).take(20);
      const ends = deliveries.map(async (delivery) => {
        const { position } = delivery;
        const [{ kind }, cancelled] = await Promise.all([
          settle(trial.broker, delivery),
          other.queues.cancel(queue, position),
        ]);
        const { state } = await other.queues.track(queue, position);
        return [kind, cancelled, state].join(" ");
      });
      for (const end of await Promise.all(ends)) {
        assert.ok(["settled too-late done", "stale cancelled cancelled"].includes(end), end);
      }
    },
  ),

  conformanceCase("cancelling again is answered as before", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const cancel = () => trial.broker.queues.cancel(queue, position);
    assert.deepEqual(await Promise.all([cancel(), cancel()]), ["cancelled", "cancelled"]);
    assert.equal(await cancel(), "cancelled");
  }),

  conformanceCase("what is final cannot be cancelled", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    await settleOne(trial.broker, await trial.receive(queue).next());
    assert.equal(await trial.broker.queues.cancel(queue, position), "too-late");
    const withdrawn = trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
    assert.equal(await withdrawn, "too-late");
    assert.equal((await trial.broker.queues.track(queue, position)).state, "done");
  }),

  conformanceCase("what never was cannot be cancelled", async (trial) => {
    const queue = await trial.queue();
    assert.equal(await trial.broker.queues.cancel(queue, 4_711), "unknown");
    assert.equal(await trial.broker.queues.cancel(trial.name("undeclared"), 1), "unknown");
  }),

  conformanceCase(
    "the holder of a cancelled message keeps its credit until it has settled",
    async (trial) => {
      const queue = await trial.queue();
      const [first = 0] = await enqueue(trial.broker, queue, messages(["a", "b"]));
      const holder = new Holder(trial, queue, trial.broker, 1);
      const delivery = await holder.next();
      await trial.broker.queues.cancel(queue, first);
      await trial.quiet();
      assert.equal(holder.receiver.waiting, 0);
      await settle(trial.broker, delivery, { kind: "cancelled", error: planted });
      assert.equal(text((await holder.next()).frame), "b");
    },
  ),

  conformanceCase(
    "the next message of a key waits until the holder of a cancelled one has settled or gone",
    async (trial) => {
      const queue = await trial.queue();
      const keyed = messages(["a", "b", "c"], { key: "k" });
      const [first = 0, second = 0] = await enqueue(trial.broker, queue, keyed);
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      await trial.broker.queues.cancel(queue, first);
      await trial.quiet();
      assert.equal(holder.receiver.waiting, 0);
      await settle(trial.broker, delivery, { kind: "cancelled", error: planted });
      assert.equal(text((await holder.next()).frame), "b");
      await trial.broker.queues.cancel(queue, second);
      await holder.receiver.stop();
      assert.equal(text((await trial.receive(queue).next()).frame), "c");
    },
    { needs: ["keyOrder"] },
  ),

  conformanceCase("a message can be withdrawn while it waits", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const withdraw = () => trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
    assert.equal(await withdraw(), "rescinded");
    assert.equal((await trial.broker.queues.track(queue, position)).state, "rescinded");
    assert.equal(await withdraw(), "rescinded");
    const receiver = trial.receive(queue);
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase(
    "a message that was offered is withdrawn if its holder says that it has not started it",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      const position = await enqueueOne(trial.broker, queue, "work");
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      const withdrawn = other.queues.cancel(queue, position, { ifUnstarted: true });
      await holder.notice("withdraw", delivery);
      await settleOne(trial.broker, delivery, rescinded);
      assert.equal(await trial.within("the answer", withdrawn), "rescinded");
      assert.equal((await other.queues.track(queue, position)).state, "rescinded");
    },
  ),

  conformanceCase("a message that was started cannot be withdrawn any more", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const holder = new Holder(trial, queue);
    const delivery = await holder.next();
    const withdraw = () => trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
    const withdrawn = withdraw();
    await holder.notice("withdraw", delivery);
    await report(trial.broker, delivery, { kind: "started" });
    assert.equal(await trial.within("the answer", withdrawn), "too-late");
    const [refused] = await trial.broker.queues.settle([{ ...delivery, outcome: rescinded }]);
    assert.ok(refused?.kind === "refused", refused?.kind);
    assert.equal(refused.error.code, "INTERNAL_ERROR", "no such transition");
    assert.equal(await withdraw(), "too-late");
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase(
    "a message is withdrawn when its holder leaves without having started it",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      const withdrawn = trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
      await holder.notice("withdraw", delivery);
      await settle(trial.broker, delivery, release);
      assert.equal(await trial.within("the answer", withdrawn), "rescinded");
      await trial.quiet();
      assert.equal(holder.receiver.waiting, 0);
    },
  ),

  conformanceCase(
    "a message is withdrawn when its holder leaves without having looked at it",
    async (trial) => {
      const queue = await trial.queue();
      const leaving = new AbortController();
      const notices: string[] = [];
      const options = {
        credit: 2,
        consumer: "reads once",
        onNotice: ({ kind }: Notice) => void notices.push(kind),
      };
      const receiving = trial.broker.queues.receive(queue, options, leaving.signal);
      const batches = receiving[Symbol.asyncIterator]();
      const first = batches.next();
      await enqueueOne(trial.broker, queue, "read");
      await trial.within("the first batch", first);
      const position = await enqueueOne(trial.broker, queue, "unread");
      await trial.eventually("both are in its hands", async () => {
        const [mailbox] = await trial.broker.queues.mailboxes();
        return mailbox?.offered === 2 ? true : undefined;
      });
      const withdrawn = trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
      await trial.eventually("it is asked", () => notices.find((kind) => kind === "withdraw"));
      leaving.abort();
      assert.equal(await trial.within("the answer", withdrawn), "rescinded");
      assert.equal((await trial.broker.queues.track(queue, position)).state, "rescinded");
    },
  ),

  conformanceCase(
    "whoever wants a message back is told that it is too late when its holder wants to try again",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      const withdrawn = trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
      await holder.notice("withdraw", delivery);
      await settleOne(trial.broker, delivery, retry());
      assert.equal(await trial.within("the answer", withdrawn), "too-late");
    },
  ),

  conformanceCase("a message that has failed before cannot be withdrawn", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const receiver = trial.receive(queue, { credit: 1 });
    await settleOne(trial.broker, await receiver.next(), retry());
    const withdrawn = trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
    assert.equal(await withdrawn, "too-late");
    assert.equal(await trial.broker.queues.cancel(queue, position), "cancelled");
  }),

  conformanceCase("a message whose handler has asked cannot be withdrawn", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const holder = new Holder(trial, queue);
    const delivery = await holder.next();
    const question = { kind: "waiting-input", number: 1, question: bytes("?") } as const;
    await report(trial.broker, delivery, question);
    await holder.receiver.stop();
    const withdrawn = trial.broker.queues.cancel(queue, position, { ifUnstarted: true });
    assert.equal(await withdrawn, "too-late", "nobody holds it, and yet it was started");
  }),

  conformanceCase(
    "a holder says that a message expired before it could start it",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const delivery = await trial.receive(queue).next();
      await settleOne(trial.broker, delivery, { kind: "expired", error: planted });
      const state = await trial.broker.queues.track(queue, position);
      assert.deepEqual(state, { state: "expired", error: planted });
    },
  ),

  conformanceCase(
    "a cancellation is kept across a restart, and whoever claims the message is told",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const delivery = await new Holder(trial, queue).next();
      await trial.broker.queues.cancel(queue, position, { reason: planted });
      const broker = await trial.restart("crash");
      const state = await broker.queues.track(queue, position);
      assert.deepEqual(state, { state: "cancelled", error: planted });
      const notices: string[] = [];
      trial.receiveWith(broker, queue, {
        credit: 1,
        consumer: "claims",
        claims: [delivery],
        onNotice: ({ kind }) => notices.push(kind),
      });
      await trial.eventually("the claim is refused", () => notices[0]);
      assert.deepEqual(notices, ["cancel"]);
    },
    { needs: ["durability"] },
  ),

  conformanceCase("those who follow a message see it cancelled", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const followed = follow(trial, trial.broker, queue, position);
    await trial.eventually("the state now", () => followed.seen[0]);
    await trial.broker.queues.cancel(queue, position);
    await trial.within("the end", followed.final);
    assert.deepEqual(followed.seen, ["queued", "cancelled"]);
  }),
];
