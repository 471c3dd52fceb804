/** Mailboxes: which queues there are, and what is in them. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Broker, MailboxInfo } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  assertRefused,
  collect,
  enqueue,
  enqueueOne,
  message,
  messages,
  numbered,
  settle,
  settleOne,
  text,
} from "./messages.ts";

async function mailbox(broker: Broker, queue: string): Promise<MailboxInfo | undefined> {
  return (await broker.queues.mailboxes()).find((info) => info.queue === queue);
}

export const mailboxCases: readonly ConformanceCase[] = [
  conformanceCase("a new broker has no mailboxes, then those that were declared", async (trial) => {
    const { queues } = trial.broker;
    assert.deepEqual(await queues.mailboxes(), []);
    await queues.declare(["b", "a"]);
    await queues.declare(["c"]);
    const names = (await queues.mailboxes()).map(({ queue }) => queue);
    assert.deepEqual(names.toSorted(), ["a", "b", "c"]);
  }),

  conformanceCase("a mailbox that one client declared is there for all", async (trial) => {
    const other = await trial.connect();
    await other.queues.declare(["theirs"]);
    await enqueueOne(trial.broker, "theirs", "hello");
    assert.equal((await mailbox(trial.broker, "theirs"))?.waiting, 1);
  }),

  conformanceCase("declaring again leaves what is there as it is", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "kept");
    const other = await trial.connect();
    await other.queues.declare([queue, queue, trial.name("more")]);
    assert.equal(text((await trial.receive(queue).next()).frame), "kept");
    await other.queues.declare([queue]);
    assert.equal((await mailbox(other, queue))?.offered, 1);
  }),

  conformanceCase("a queue has the name of an address", async (trial) => {
    const names = ["agent:analyst-1", "type:email", "skill:risk.assess", "desk/agent:a:b@c"];
    await trial.broker.queues.declare(names);
    for (const name of names) await enqueueOne(trial.broker, name, name);
    for (const name of names) {
      assert.equal(text((await trial.receive(name).next()).frame), name);
    }
  }),

  conformanceCase("a mailbox counts what waits, what is held, and who receives", async (trial) => {
    const queue = await trial.queue();
    // Soon: what others hold may have to be asked of them.
    const counts = (...expected: readonly number[]) =>
      trial.eventually(`waiting, offered, receivers: ${expected}`, async () => {
        const info = await mailbox(trial.broker, queue);
        const found = [info?.waiting, info?.offered, info?.receivers];
        return isDeepStrictEqual(found, expected) ? true : undefined;
      });
    await counts(0, 0, 0);
    await enqueue(trial.broker, queue, messages(numbered(10)));
    await counts(10, 0, 0);
    const other = await trial.connect();
    const receiver = trial.receive(queue, { credit: 3, broker: other });
    const held = await receiver.take(3);
    await counts(10, 3, 1);
    const [first] = held;
    assert.ok(first);
    await settleOne(other, first);
    await receiver.next();
    await counts(9, 3, 1);
    await receiver.stop();
    await counts(9, 0, 0);
  }),

  conformanceCase("a removed mailbox takes nothing more", async (trial) => {
    const queue = await trial.queue();
    await trial.broker.queues.remove([queue]);
    assert.equal(await mailbox(trial.broker, queue), undefined);
    const call = trial.broker.queues.enqueue(queue, [message("lost")]);
    await assertRefused(call, "NO_ELIGIBLE_AGENT");
  }),

  conformanceCase("a mailbox is removed with everything that waits in it", async (trial) => {
    const queue = await trial.queue();
    const kept = await trial.queue();
    const before = await enqueue(trial.broker, queue, messages(numbered(20)));
    await enqueueOne(trial.broker, kept, "kept");
    await trial.broker.queues.remove([queue]);
    await trial.broker.queues.declare([queue]);
    assert.deepEqual(await collect(trial.broker.queues.browse(queue, {}, trial.signal)), []);
    const after = await enqueueOne(trial.broker, queue, "new");
    assert.ok(after > Math.max(...before), "positions are never used twice");
    assert.equal(text((await trial.receive(queue).next()).frame), "new");
    assert.equal(text((await trial.receive(kept).next()).frame), "kept");
  }),

  conformanceCase(
    "what was held when its mailbox was removed is settled in vain",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "held");
      const delivery = await trial.receive(queue).next();
      await trial.broker.queues.remove([queue]);
      assert.deepEqual(await settle(trial.broker, delivery), { kind: "stale" });
    },
  ),

  conformanceCase(
    "whoever waits for a message is told that its mailbox was removed",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "lost");
      const other = await trial.connect();
      const waiting = [trial.broker, other, other].map(({ queues }, index) => {
        const onChange = index === 2 ? { onChange: () => {} } : {};
        return queues.track(queue, position, { wait: true, ...onChange });
      });
      await trial.eventually("they wait", async () =>
        (await other.queues.track(queue, position)).state === "queued" ? true : undefined,
      );
      await trial.broker.queues.remove([queue]);
      for (const each of waiting) {
        assert.deepEqual(await trial.within("its end", each), { state: "unknown" });
      }
    },
  ),

  conformanceCase("removing what is not there does nothing", async (trial) => {
    const queue = await trial.queue();
    await trial.broker.queues.remove([trial.name("undeclared")]);
    await enqueueOne(trial.broker, queue, "kept");
  }),

  conformanceCase(
    "mailboxes and what waits in them survive a restart",
    async (trial) => {
      const queue = await trial.queue();
      const gone = await trial.queue();
      await enqueue(trial.broker, queue, messages(numbered(3)));
      await trial.broker.queues.remove([gone]);
      for (const how of ["clean", "crash"] as const) {
        const broker = await trial.restart(how);
        const names = (await broker.queues.mailboxes()).map((info) => info.queue);
        assert.deepEqual(names, [queue], how);
        assert.equal((await mailbox(broker, queue))?.waiting, 3, how);
      }
      assert.equal((await trial.receive(queue).take(3)).length, 3);
    },
    { needs: ["durability"] },
  ),
];
