/** Looking at messages without receiving them: their state, and what waits in a queue. */
import assert from "node:assert/strict";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  assertRejects,
  attemptsMade,
  collect,
  done,
  enqueue,
  enqueueOne,
  messages,
  numbered,
  planted,
  retry,
  settleAll,
  settleOne,
  text,
} from "./messages.ts";

export const trackCases: readonly ConformanceCase[] = [
  conformanceCase(
    "a message can be tracked from waiting to done, with its result",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      const position = await enqueueOne(trial.broker, queue, "work");
      const attempts = { failures: 0, pickups: 0, crashes: 0 };
      const state = () => other.queues.track(queue, position);
      assert.deepEqual(await state(), { state: "queued", attempts });
      const delivery = await trial.receive(queue).next();
      assert.equal((await state()).state, "offered");
      const result = Uint8Array.from([0, 1, 255]);
      await settleOne(trial.broker, delivery, { kind: "done", result });
      const final = await state();
      assert.ok(final.state === "done", final.state);
      assert.deepEqual([...(final.result ?? [])], [...result]);
    },
  ),

  conformanceCase("done without a result is told as that", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    await settleOne(trial.broker, await trial.receive(queue).next());
    const final = await trial.broker.queues.track(queue, position, { wait: true });
    assert.ok(final.state === "done", final.state);
    assert.equal(final.result, undefined);
  }),

  conformanceCase("an empty result is a result", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const outcome = { kind: "done", result: new Uint8Array() } as const;
    await settleOne(trial.broker, await trial.receive(queue).next(), outcome);
    const final = await trial.broker.queues.track(queue, position);
    assert.ok(final.state === "done", final.state);
    assert.equal(final.result?.length, 0);
  }),

  conformanceCase("waiting for the final state ends with it, in every client", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    const positions = await enqueue(trial.broker, queue, messages(["good", "bad", "ugly"]));
    const states = [trial.broker, other].flatMap(({ queues }) =>
      positions.map((position) => queues.track(queue, position, { wait: true })),
    );
    let settled = 0;
    for (const state of states) void state.then(() => settled++);
    const deliveries = await trial.receive(queue).take(3);
    await trial.quiet();
    assert.equal(settled, 0, "not before it is final");
    const outcomes = new Map([
      ["good", done],
      ["bad", { kind: "failed", error: planted } as const],
      ["ugly", { kind: "dead", error: planted } as const],
    ]);
    for (const delivery of deliveries) {
      await settleOne(trial.broker, delivery, outcomes.get(text(delivery.frame)));
    }
    const final = await trial.within("the final states", Promise.all(states));
    const expected = ["done", "failed", "dead"];
    assert.deepEqual(
      final.map(({ state }) => state),
      [...expected, ...expected],
    );
  }),

  conformanceCase("a retry is not final", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "flaky");
    const receiver = trial.receive(queue);
    const final = trial.broker.queues.track(queue, position, { wait: true });
    await settleOne(trial.broker, await receiver.next(), retry());
    const again = await receiver.next();
    const state = await trial.broker.queues.track(queue, position);
    assert.ok(state.state === "offered", state.state);
    assert.equal(state.attempts.failures, 1);
    await settleOne(trial.broker, again);
    assert.equal((await trial.within("the final state", final)).state, "done");
  }),

  conformanceCase("what was never there is unknown, also to one who waits", async (trial) => {
    const queue = await trial.queue();
    const { queues } = trial.broker;
    assert.deepEqual(await queues.track(queue, 12_345), { state: "unknown" });
    const waiting = queues.track(trial.name("undeclared"), 1, { wait: true });
    assert.deepEqual(await trial.within("an answer", waiting), { state: "unknown" });
  }),

  conformanceCase("an abort ends the wait for a final state, now or later", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "for ever");
    const { queues } = trial.broker;
    const controller = new AbortController();
    const waiting = queues.track(queue, position, { wait: true, signal: controller.signal });
    const rejected = assertRejects(waiting, "CANCELLED");
    await trial.quiet();
    controller.abort();
    await trial.within("the rejection", rejected);
    const late = queues.track(queue, position, { wait: true, signal: controller.signal });
    await assertRejects(late, "CANCELLED");
    assert.equal((await queues.track(queue, position)).state, "queued");
  }),
];

export const browseCases: readonly ConformanceCase[] = [
  conformanceCase("browsing shows what waits, in order of position", async (trial) => {
    const queue = await trial.queue();
    const sent = numbered(250);
    const positions = await enqueue(trial.broker, queue, messages(sent));
    const stored = await collect(trial.broker.queues.browse(queue, {}, trial.signal));
    assert.deepEqual(
      stored.map(({ position }) => position),
      positions,
    );
    assert.deepEqual(
      stored.map(({ frame }) => text(frame)),
      sent,
    );
    const [first] = stored;
    assert.equal(first?.state, "queued");
    assert.equal(first?.lane, 2);
    assert.deepEqual(first?.attempts, { failures: 0, pickups: 0, crashes: 0 });
  }),

  conformanceCase("browsing begins after a position and ends at a limit", async (trial) => {
    const queue = await trial.queue();
    const positions = await enqueue(trial.broker, queue, messages(numbered(20)));
    const range = { after: positions[4] ?? 0, limit: 10 };
    const page = await collect(trial.broker.queues.browse(queue, range, trial.signal));
    assert.deepEqual(
      page.map(({ position }) => position),
      positions.slice(5, 15),
    );
    const rest = { after: positions[17] ?? 0 };
    assert.equal((await collect(trial.broker.queues.browse(queue, rest, trial.signal))).length, 2);
    const end = { after: positions[19] ?? 0 };
    assert.deepEqual(await collect(trial.broker.queues.browse(queue, end, trial.signal)), []);
  }),

  conformanceCase("browsing touches neither leases nor attempts", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(["held", "waits"]));
    const receiver = trial.receive(queue, { credit: 1 });
    const held = await receiver.next();
    const browser = await trial.connect();
    for (let round = 0; round < 3; round++) {
      const stored = await collect(browser.queues.browse(queue, {}, trial.signal));
      assert.deepEqual(
        stored.map(({ state }) => state).toSorted(),
        ["offered", "queued"],
        "what is held is shown too",
      );
    }
    await settleOne(trial.broker, held);
    assert.equal(attemptsMade((await receiver.next()).attempts), 0);
  }),

  conformanceCase("browsing does not show what is final", async (trial) => {
    const queue = await trial.queue();
    await enqueue(trial.broker, queue, messages(numbered(4)));
    const deliveries = await trial.receive(queue, { credit: 2 }).take(2);
    await settleAll(trial.broker, deliveries.slice(0, 1));
    const stored = await collect(trial.broker.queues.browse(queue, {}, trial.signal));
    const final = deliveries[0]?.position;
    assert.ok(stored.every(({ position }) => position !== final));
    assert.equal(stored.length, 3);
  }),

  conformanceCase("browsing a queue that was never declared shows nothing", async (trial) => {
    const browsing = trial.broker.queues.browse(trial.name("undeclared"), {}, trial.signal);
    assert.deepEqual(await collect(browsing), []);
  }),
];
