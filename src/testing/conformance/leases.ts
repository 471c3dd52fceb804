/** Leases: who holds a delivery, and what becomes of it when the holder is gone. */
import assert from "node:assert/strict";
import type { Delivery } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  attemptsMade,
  collect,
  done,
  enqueue,
  enqueueOne,
  message,
  messages,
  numbered,
  release,
  settle,
  settleOne,
  text,
} from "./messages.ts";

/** Offers that come back before the message is dead, as the contract says. */
const pickupsMax = 20;

export const leaseCases: readonly ConformanceCase[] = [
  conformanceCase("what a receiver holds is offered to nobody else", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    await enqueueOne(trial.broker, queue, "held");
    const holder = trial.receive(queue);
    await holder.next();
    const second = trial.receive(queue);
    const third = trial.receive(queue, { broker: other });
    await trial.quiet();
    await trial.quiet();
    assert.deepEqual([holder.waiting, second.waiting, third.waiting], [0, 0, 0]);
  }),

  conformanceCase(
    "what an aborted receiver held goes to others, one attempt later",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      await enqueue(trial.broker, queue, messages(numbered(5)));
      const holder = trial.receive(queue);
      const held = await holder.take(5);
      const heir = trial.receive(queue, { broker: other });
      await holder.stop();
      const inherited = await heir.take(5);
      assert.deepEqual(
        inherited.map(({ position }) => position).toSorted((a, b) => a - b),
        held.map(({ position }) => position).toSorted((a, b) => a - b),
      );
      for (const { attempts } of inherited) {
        assert.equal(attemptsMade(attempts), 1);
        assert.equal(attempts.failures, 0, "no handler failed");
      }
    },
  ),

  conformanceCase("what was delivered but not read yet goes back too", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(numbered(30)));
    const controller = new AbortController();
    const options = { credit: 30, consumer: "takes one batch" };
    const read: number[] = [];
    const batches = trial.broker.queues.receive(queue, options, controller.signal);
    for await (const batch of batches) {
      read.push(...batch.map(({ position }) => position));
      controller.abort();
    }
    assert.ok(read.length > 0);
    const heir = trial.receive(queue);
    const inherited = await heir.take(30);
    assert.equal(new Set(inherited.map(({ position }) => position)).size, 30);
  }),

  conformanceCase(
    "what is settled in vain while its receiver leaves goes to others",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "contested");
      const holder = trial.receive(queue);
      const delivery = await holder.next();
      const heir = trial.receive(queue);
      const effect = {
        kind: "enqueue",
        queue: trial.name("undeclared"),
        message: message("x"),
      } as const;
      const settled = settle(trial.broker, delivery, done, [effect]);
      await holder.stop();
      const { kind } = await trial.within("the outcome", settled);
      assert.ok(kind === "refused" || kind === "stale", kind);
      assert.equal((await heir.next()).position, position);
    },
    { needs: ["atomicEffects"] },
  ),

  conformanceCase("leaving the loop of a receiver gives back what it held", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "held");
    const options = { credit: 1, consumer: "breaks" };
    for await (const batch of trial.broker.queues.receive(queue, options, trial.signal)) {
      assert.equal(batch.length, 1);
      break;
    }
    const again = await trial.receive(queue).next();
    assert.equal(attemptsMade(again.attempts), 1);
  }),

  conformanceCase("what a closed client held goes to others", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    await enqueue(trial.broker, queue, messages(numbered(3)));
    await trial.receive(queue, { broker: other }).take(3);
    const heir = trial.receive(queue);
    await trial.within("close", other.close());
    const inherited = await heir.take(3);
    for (const { attempts } of inherited) assert.equal(attemptsMade(attempts), 1);
  }),

  conformanceCase("what was settled does not come back when its receiver goes", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(["settled", "held"]));
    const holder = trial.receive(queue);
    const held = await holder.take(2);
    const settled = held.find(({ frame }) => text(frame) === "settled");
    assert.ok(settled);
    await settleOne(trial.broker, settled);
    await holder.stop();
    const heir = trial.receive(queue);
    assert.equal(text((await heir.next()).frame), "held");
    await trial.quiet();
    assert.equal(heir.waiting, 0);
  }),

  conformanceCase(
    "a later attempt has a higher fence and makes the earlier stale",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      const position = await enqueueOne(trial.broker, queue, "contested");
      const holder = trial.receive(queue);
      const first = await holder.next();
      const heir = trial.receive(queue, { broker: other });
      await holder.stop();
      const second = await heir.next();
      assert.ok(second.fence > first.fence, `${second.fence} after ${first.fence}`);
      const late = { kind: "done", result: Uint8Array.of(1) } as const;
      assert.deepEqual(await settle(trial.broker, first, late), { kind: "stale" });
      await settleOne(other, second, { kind: "done", result: Uint8Array.of(2) });
      const state = await other.queues.track(queue, position);
      assert.ok(state.state === "done", state.state);
      assert.deepEqual([...(state.result ?? [])], [2]);
    },
  ),

  conformanceCase("an earlier attempt is stale also when the later one is over", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "contested");
    const holder = trial.receive(queue);
    const first = await holder.next();
    await holder.stop();
    const heir = trial.receive(queue);
    await heir.next();
    await heir.stop();
    assert.deepEqual(await settle(trial.broker, first), { kind: "stale" });
    assert.equal((await trial.broker.queues.track(queue, position)).state, "queued");
  }),

  conformanceCase("a fence nobody was given is stale", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "held");
    const delivery = await trial.receive(queue).next();
    const forged = { ...delivery, fence: delivery.fence + 1 };
    assert.deepEqual(await settle(trial.broker, forged), { kind: "stale" });
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase("fences rise with every attempt, also of different messages", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "again and again");
    const receiver = trial.receive(queue, { credit: 1 });
    let fence = -1;
    for (let attempt = 0; attempt < 5; attempt++) {
      const delivery = await receiver.next();
      assert.ok(delivery.fence > fence, `${delivery.fence} after ${fence}`);
      assert.equal(attemptsMade(delivery.attempts), attempt);
      fence = delivery.fence;
      await settleOne(trial.broker, delivery, release);
    }
  }),

  conformanceCase("a settlement may come from any client that knows the attempt", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    const position = await enqueueOne(trial.broker, queue, "held");
    const delivery = await trial.receive(queue).next();
    await settleOne(other, delivery);
    assert.equal((await trial.broker.queues.track(queue, position)).state, "done");
  }),

  conformanceCase(`a message that comes back ${pickupsMax} times is dead`, async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "hot potato");
    const receiver = trial.receive(queue);
    for (let pickups = 0; pickups < pickupsMax; pickups++) {
      const delivery = await receiver.next();
      assert.equal(delivery.attempts.pickups, pickups);
      await settleOne(trial.broker, delivery, release);
    }
    const waiting = trial.broker.queues.track(queue, position, { wait: true });
    assert.equal((await trial.within("the end of it", waiting)).state, "dead");
    const letters = await collect(trial.broker.queues.deadLetters({}, trial.signal));
    assert.deepEqual(
      letters.map(({ position }) => position),
      [position],
    );
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase(
    "what was held comes back after a restart, with a higher fence",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "held");
      const first = await trial.receive(queue).next();
      const broker = await trial.restart("crash");
      const second = await trial.receive(queue, { broker }).next();
      assert.equal(second.position, first.position);
      assert.ok(second.fence > first.fence, `${second.fence} after ${first.fence}`);
      assert.deepEqual(await settle(broker, first), { kind: "stale" });
      await settleOne(broker, second);
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "an attempt from before a restart is stale also when a later one is over",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "contested");
      const first = await trial.receive(queue).next();
      const broker = await trial.restart("crash");
      const heir = trial.receive(queue, { broker });
      await heir.next();
      await heir.stop();
      assert.deepEqual(await settle(broker, first), { kind: "stale" });
      assert.equal((await broker.queues.track(queue, position)).state, "queued");
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "a settlement made after a restart counts, if nobody was offered the message since",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "long turn");
      const delivery = await trial.receive(queue).next();
      const broker = await trial.restart("crash");
      await settleOne(broker, delivery);
      assert.equal((await broker.queues.track(queue, position)).state, "done");
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "of the attempts from before a restart only the last one counts",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "long turn");
      const receiver = trial.receive(queue);
      const first = await receiver.next();
      await settleOne(trial.broker, first, release);
      const last = await receiver.next();
      const broker = await trial.restart("crash");
      await trial.eventually("nobody holds it any more", async () => {
        const [mailbox] = await broker.queues.mailboxes();
        return mailbox?.offered === 0 ? true : undefined;
      });
      assert.deepEqual(await settle(broker, first), { kind: "stale" });
      await settleOne(broker, last);
      assert.equal((await broker.queues.track(queue, position)).state, "done");
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "a claim made after a restart keeps the delivery with its holder",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "long turn");
      const { position, fence } = await trial.receive(queue).next();
      const broker = await trial.restart("crash");
      const claims = [{ queue, position, fence }];
      const options = { credit: 1, consumer: "returning", claims };
      const holder = trial.receiveWith(broker, queue, options);
      await enqueueOne(broker, queue, "next");
      const heir = trial.receive(queue, { broker });
      assert.equal(text((await heir.next()).frame), "next");
      await trial.sleep(1_500);
      assert.deepEqual([holder.waiting, heir.waiting], [0, 0], "it is held, and credit is used up");
      const outcomes = await broker.queues.settle([{ queue, position, fence, outcome: done }]);
      assert.deepEqual(outcomes, [{ kind: "settled" }]);
      assert.equal((await broker.queues.track(queue, position)).state, "done");
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "a receiver that claims what another of its client holds has it from then on, and the other can leave",
    async (trial) => {
      const queue = await trial.queue();
      for (const what of ["kept", "given back", "next"])
        await enqueueOne(trial.broker, queue, what);
      const first = trial.receive(queue, { credit: 2 });
      const [kept, given] = (await first.take(2)) as [Delivery, Delivery];
      const claims = [kept].map(({ position, fence }) => ({ queue, position, fence }));
      const second = trial.receiveWith(trial.broker, queue, { credit: 1, consumer: "it", claims });
      await first.stop();
      const heir = trial.receive(queue, { broker: await trial.connect() });
      const others = await heir.take(2);
      assert.deepEqual(others.map(({ frame }) => text(frame)).toSorted(), ["given back", "next"]);
      assert.deepEqual(await settle(trial.broker, given), { kind: "stale" });
      await settleOne(trial.broker, kept);
      assert.deepEqual([second.waiting, heir.waiting], [0, 0]);
      for (const other of others) await settleOne(trial.broker, other);
    },
  ),

  conformanceCase(
    "a claim that comes after another attempt is stale",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "long turn");
      const first = await trial.receive(queue).next();
      const broker = await trial.restart("crash");
      const second = await trial.receive(queue, { broker }).next();
      const { position, fence } = first;
      const claims = [{ queue, position, fence }];
      const notices: string[] = [];
      const late = trial.receiveWith(broker, queue, {
        credit: 1,
        consumer: "too late",
        claims,
        onNotice: ({ kind }) => void notices.push(kind),
      });
      await trial.eventually("the claim is refused", () => notices[0]);
      assert.deepEqual(notices, ["cancel"]);
      assert.deepEqual(await settle(broker, first), { kind: "stale" });
      await late.stop();
      const other = trial.receive(queue, { broker });
      await trial.quiet();
      assert.equal(other.waiting, 0, "it is the other attempt's as before");
      await settleOne(broker, second);
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "a receiver that waits is given what comes after a broken connection",
    async (trial) => {
      const queue = await trial.queue();
      const client = await trial.connect();
      const receiver = trial.receive(queue, { broker: client });
      await enqueueOne(trial.broker, queue, "before");
      await settleOne(client, await receiver.next());
      await trial.disconnect(client);
      // It is there again.
      await trial.within("the mailboxes", client.queues.mailboxes());
      await trial.quiet();
      await enqueueOne(trial.broker, queue, "after");
      assert.equal(text((await receiver.next()).frame), "after");
    },
    { needs: ["disconnect"] },
  ),

  conformanceCase(
    "what is held is still held after a broken connection",
    async (trial) => {
      const queue = await trial.queue();
      const holder = await trial.connect();
      const receiver = trial.receive(queue, { broker: holder });
      await enqueueOne(trial.broker, queue, "long turn");
      const delivery = await receiver.next();
      const other = trial.receive(queue);
      await trial.disconnect(holder);
      await trial.sleep(1_500);
      assert.equal(other.waiting, 0);
      assert.equal(receiver.waiting, 0);
      await settleOne(holder, delivery);
      await enqueueOne(trial.broker, queue, "after");
      const next = await trial.eventually("the next message", () =>
        [...receiver.all.slice(1), ...other.all].at(0),
      );
      assert.equal(text(next.frame), "after");
    },
    { needs: ["disconnect"] },
  ),

  conformanceCase(
    "a settlement made during a broken connection counts",
    async (trial) => {
      const queue = await trial.queue();
      const holder = await trial.connect();
      const receiver = trial.receive(queue, { broker: holder });
      const position = await enqueueOne(trial.broker, queue, "work");
      const delivery = await receiver.next();
      const breaking = trial.disconnect(holder);
      const settled = settle(holder, delivery);
      await breaking;
      assert.deepEqual(await trial.within("the settlement", settled), { kind: "settled" });
      assert.equal((await trial.broker.queues.track(queue, position)).state, "done");
    },
    { needs: ["disconnect"] },
  ),
];
