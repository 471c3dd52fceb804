/** What commits together with a settlement. */
import assert from "node:assert/strict";
import type { Broker, Delivery, Effect, SettleOutcome } from "../../broker/broker.ts";
import { type ErrorCode, errorInfo, isColloquyError } from "../../errors.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  bytes,
  collect,
  dead,
  enqueueOne,
  message,
  planted,
  release,
  retry,
  settle,
  settleOne,
  text,
} from "./messages.ts";
import type { Trial } from "./trial.ts";

/** A delivery to settle, and a queue for what its settlement sends. */
async function inHand(trial: Trial) {
  const queue = await trial.queue();
  const next = await trial.queue();
  await enqueueOne(trial.broker, queue, "input");
  const receiver = trial.receive(queue);
  return { queue, next, receiver, delivery: await receiver.next() };
}

function send(queue: string, content: string): Effect {
  return { kind: "enqueue", queue, message: message(content) };
}

async function waitingIn(trial: Trial, queue: string): Promise<readonly string[]> {
  const stored = await collect(trial.broker.queues.browse(queue, {}, trial.signal));
  return stored.map(({ frame }) => text(frame));
}

function assertRefusedWith(outcome: SettleOutcome, code: ErrorCode): void {
  assert.ok(outcome.kind === "refused", JSON.stringify(outcome));
  assert.equal(outcome.error.code, code);
}

const enqueueCases: readonly ConformanceCase[] = [
  conformanceCase("what a settlement sends is delivered", async (trial) => {
    const { next, delivery } = await inHand(trial);
    const receiver = trial.receive(next);
    await trial.quiet();
    assert.equal(receiver.waiting, 0, "not before the settlement");
    await settleOne(trial.broker, delivery, undefined, [send(next, "output")]);
    assert.equal(text((await receiver.next()).frame), "output");
  }),

  conformanceCase("a settlement has many effects, in order", async (trial) => {
    const { next, delivery } = await inHand(trial);
    const contents = Array.from({ length: 100 }, (_, index) => `output ${index}`);
    const effects = contents.map((content) => send(next, content));
    await settleOne(trial.broker, delivery, undefined, effects);
    assert.deepEqual(await waitingIn(trial, next), contents);
  }),

  conformanceCase("a settlement can send to its own queue", async (trial) => {
    const { queue, delivery, receiver } = await inHand(trial);
    await settleOne(trial.broker, delivery, undefined, [send(queue, "output")]);
    assert.equal(text((await receiver.next()).frame), "output");
  }),

  conformanceCase("what a settlement publishes is heard by other clients", async (trial) => {
    const { delivery } = await inHand(trial);
    const listener = await trial.connect();
    const heard: string[] = [];
    await listener.topics.subscribe("out.*", (topic) => void heard.push(topic), trial.signal);
    const publish = (topic: string): Effect => ({ kind: "publish", topic, frame: bytes("x") });
    await settleOne(trial.broker, delivery, undefined, [publish("out.1"), publish("out.2")]);
    await trial.eventually("two publications", () => (heard.length >= 2 ? true : undefined));
    assert.deepEqual(heard, ["out.1", "out.2"]);
  }),

  conformanceCase("a publication on what is no topic refuses the settlement", async (trial) => {
    const { next, delivery } = await inHand(trial);
    const publish: Effect = { kind: "publish", topic: ">", frame: bytes("x") };
    // Where the broker has its runtime around it, that throws before the broker is asked.
    const outcome = await settle(trial.broker, delivery, undefined, [
      send(next, "output"),
      publish,
    ]).catch((error: unknown): SettleOutcome => {
      assert.ok(isColloquyError(error), String(error));
      return { kind: "refused", error: errorInfo(error) };
    });
    assertRefusedWith(outcome, "INVALID_ADDRESS");
    assert.deepEqual(await waitingIn(trial, next), []);
    const { state } = await trial.broker.queues.track(delivery.queue, delivery.position);
    assert.equal(state, "offered", "it is held as before");
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase("effects of a repeated settlement happen once", async (trial) => {
    const { next, delivery } = await inHand(trial);
    const effects = [send(next, "output")];
    await settleOne(trial.broker, delivery, undefined, effects);
    const again = await settle(trial.broker, delivery, undefined, effects);
    assert.ok(again.kind === "settled" || again.kind === "stale", again.kind);
    assert.deepEqual(await waitingIn(trial, next), ["output"]);
  }),

  conformanceCase("a final failure has effects too", async (trial) => {
    const { next, delivery } = await inHand(trial);
    await settleOne(trial.broker, delivery, { kind: "failed", error: planted }, [
      send(next, "apology"),
    ]);
    assert.deepEqual(await waitingIn(trial, next), ["apology"]);
  }),

  conformanceCase("a dead letter has effects too", async (trial) => {
    const { next, delivery } = await inHand(trial);
    await settleOne(trial.broker, delivery, dead(), [send(next, "alarm")]);
    assert.deepEqual(await waitingIn(trial, next), ["alarm"]);
  }),

  ...[retry(), release].map((outcome) =>
    conformanceCase(`a ${outcome.kind} has no effects`, async (trial) => {
      const { next, receiver, delivery } = await inHand(trial);
      const settled = await settle(trial.broker, delivery, outcome, [send(next, "output")]).catch(
        () => undefined,
      );
      assert.deepEqual(await waitingIn(trial, next), []);
      if (settled?.kind !== "settled") await settleOne(trial.broker, delivery, outcome);
      assert.equal(text((await receiver.next()).frame), "input");
    }),
  ),

  conformanceCase("a stale settlement has no effects", async (trial) => {
    const { queue, next, receiver, delivery } = await inHand(trial);
    await receiver.stop();
    await trial.receive(queue).next();
    const stale = await settle(trial.broker, delivery, undefined, [send(next, "output")]);
    assert.equal(stale.kind, "stale");
    assert.deepEqual(await waitingIn(trial, next), []);
  }),

  conformanceCase("a send to an undeclared queue refuses the settlement", async (trial) => {
    const { receiver, delivery } = await inHand(trial);
    const effects = [send(trial.name("undeclared"), "output")];
    const refused = await settle(trial.broker, delivery, undefined, effects);
    assertRefusedWith(refused, "NO_ELIGIBLE_AGENT");
    await trial.quiet();
    assert.equal(receiver.waiting, 0, "the lease stands");
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase(
    "a refused settlement keeps nothing",
    async (trial) => {
      const { next, delivery } = await inHand(trial);
      const effects = [send(next, "output"), send(trial.name("undeclared"), "lost")];
      const refused = await settle(trial.broker, delivery, undefined, effects);
      assertRefusedWith(refused, "NO_ELIGIBLE_AGENT");
      assert.deepEqual(await waitingIn(trial, next), []);
    },
    { needs: ["atomicEffects"] },
  ),

  conformanceCase(
    "a settlement that sends what was sent before is settled, and stores it once",
    async (trial) => {
      const { next, delivery } = await inHand(trial);
      const sent = message("output", { guarantee: "exactly-once" });
      await enqueueOne(trial.broker, next, sent);
      const effects: readonly Effect[] = [{ kind: "enqueue", queue: next, message: sent }];
      await settleOne(trial.broker, delivery, undefined, effects);
      assert.deepEqual(await waitingIn(trial, next), ["output"]);
    },
    { needs: ["exactlyOnce"] },
  ),

  conformanceCase("a refused settlement does not refuse its neighbours", async (trial) => {
    const { queue, next, receiver, delivery } = await inHand(trial);
    await enqueueOne(trial.broker, queue, "second input");
    const second = await receiver.next();
    const outcomes = await trial.broker.queues.settle([
      {
        ...{ queue, position: delivery.position, fence: delivery.fence },
        outcome: { kind: "done" },
        effects: [send(trial.name("undeclared"), "lost")],
      },
      {
        ...{ queue, position: second.position, fence: second.fence },
        outcome: { kind: "done" },
        effects: [send(next, "output")],
      },
    ]);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["refused", "settled"],
    );
    assert.deepEqual(await waitingIn(trial, next), ["output"]);
  }),
];

const storeCases: readonly ConformanceCase[] = [
  conformanceCase(
    "what a settlement puts can be read",
    async (trial) => {
      const { delivery } = await inHand(trial);
      await settleOne(trial.broker, delivery, undefined, [
        { kind: "put", key: "state", value: bytes("first") },
        { kind: "put", key: "state", value: bytes("second") },
      ]);
      const [entry] = (await trial.broker.store?.get(["state"])) ?? [];
      assert.equal(text(entry?.value), "second");
    },
    { needs: ["store"] },
  ),

  conformanceCase(
    "a put whose revision no longer holds refuses the settlement and all its effects",
    async (trial) => {
      const { next, delivery } = await inHand(trial);
      const { store } = trial.broker;
      assert.ok(store);
      await store.put([{ key: "state", value: bytes("mine") }]);
      const refused = await settle(trial.broker, delivery, undefined, [
        send(next, "output"),
        { kind: "put", key: "other", value: bytes("x") },
        { kind: "put", key: "state", value: bytes("theirs"), ifRevision: 0 },
      ]);
      assertRefusedWith(refused, "CONFLICT");
      const [state, other] = await store.get(["state", "other"]);
      assert.equal(text(state?.value), "mine");
      assert.equal(other, undefined);
      assert.deepEqual(await waitingIn(trial, next), []);
      await settleOne(trial.broker, delivery);
    },
    { needs: ["store", "atomicEffects"] },
  ),

  conformanceCase(
    "what a settlement appends can be read",
    async (trial) => {
      const { delivery } = await inHand(trial);
      const append = (at: number | undefined, ...entries: readonly string[]): Effect => ({
        kind: "append",
        stream: "history",
        entries: entries.map(bytes),
        ...(at === undefined ? {} : { at }),
      });
      await settleOne(trial.broker, delivery, undefined, [append(1, "a", "b"), append(3, "c")]);
      const { log } = trial.broker;
      assert.ok(log);
      const entries = await collect(log.read("history", 1, {}, trial.signal));
      assert.deepEqual(
        entries.map(({ position, data }) => `${position} ${text(data)}`),
        ["1 a", "2 b", "3 c"],
      );
    },
    { needs: ["log"] },
  ),

  conformanceCase(
    "settlements that append to one stream at once are all settled, and all appended, once",
    async (trial) => {
      const { log } = trial.broker;
      assert.ok(log);
      const queue = await trial.queue();
      const inputs = Array.from({ length: 24 }, (_, index) => `input ${index}`);
      for (const input of inputs) await enqueueOne(trial.broker, queue, input);
      const hands: { readonly broker: Broker; readonly delivery: Delivery }[] = [];
      for (const broker of [trial.broker, await trial.connect()]) {
        const receiver = trial.receive(queue, { broker, credit: inputs.length / 2 });
        for (let taken = 0; taken < inputs.length / 2; taken++) {
          hands.push({ broker, delivery: await receiver.next() });
        }
      }
      const settling = hands.map(({ broker, delivery }) =>
        settle(broker, delivery, undefined, [
          { kind: "append", stream: "history", entries: [delivery.frame] },
        ]),
      );
      const outcomes = await Promise.all(settling);
      assert.deepEqual(
        outcomes,
        inputs.map(() => ({ kind: "settled" })),
      );
      const read = await collect(log.read("history", 1, {}, trial.signal));
      assert.deepEqual(read.map(({ data }) => text(data)).sort(), inputs.toSorted());
    },
    { needs: ["log"] },
  ),

  conformanceCase(
    "an append at a taken position refuses the settlement and all its effects",
    async (trial) => {
      const { next, delivery } = await inHand(trial);
      const { log } = trial.broker;
      assert.ok(log);
      await log.append("history", [bytes("taken")]);
      const refused = await settle(trial.broker, delivery, undefined, [
        send(next, "output"),
        { kind: "append", stream: "history", entries: [bytes("late")], at: 1 },
      ]);
      assertRefusedWith(refused, "CONFLICT");
      assert.deepEqual(await waitingIn(trial, next), []);
      const entries = await collect(log.read("history", 1, {}, trial.signal));
      assert.equal(entries.length, 1);
      await settleOne(trial.broker, delivery);
    },
    { needs: ["log", "atomicEffects"] },
  ),

  conformanceCase(
    "a settlement and its effects are both there after a restart",
    async (trial) => {
      const { queue, next, delivery } = await inHand(trial);
      await settleOne(trial.broker, delivery, undefined, [
        send(next, "output"),
        { kind: "put", key: "state", value: bytes("kept") },
      ]);
      const broker = await trial.restart("crash");
      const receiver = trial.receive(queue, { broker });
      assert.deepEqual(await waitingIn(trial, next), ["output"]);
      const [entry] = (await broker.store?.get(["state"])) ?? [];
      assert.equal(text(entry?.value), "kept");
      await enqueueOne(broker, queue, "after");
      assert.equal(text((await receiver.next()).frame), "after");
    },
    { needs: ["store", "durability"] },
  ),

  conformanceCase(
    "what is settled in vain after a restart is still there for others",
    async (trial) => {
      const { queue, delivery } = await inHand(trial);
      const broker = await trial.restart("crash");
      await trial.eventually("nobody holds it any more", async () => {
        const mailboxes = await broker.queues.mailboxes();
        return mailboxes.every(({ offered }) => offered === 0) ? true : undefined;
      });
      const effects = [send(trial.name("undeclared"), "output")];
      const { kind } = await settle(broker, delivery, undefined, effects);
      assert.ok(kind === "refused" || kind === "stale", kind);
      const heir = await trial.receive(queue, { broker }).next();
      assert.equal(heir.position, delivery.position);
      await settleOne(broker, heir);
    },
    { needs: ["durability"] },
  ),
];

export const effectCases: readonly ConformanceCase[] = [...enqueueCases, ...storeCases];
