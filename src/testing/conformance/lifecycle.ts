/** A broker as a whole: what it says about itself, how it ends, what it keeps. */
import assert from "node:assert/strict";
import type { Broker, BrokerStatus } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  assertRejects,
  bytes,
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

/** The kinds of status that `broker` has had, as they come; one for all attempts to connect again. */
function statusesOf(broker: Broker, signal: AbortSignal) {
  const seen: BrokerStatus["kind"][] = [];
  const run = async (): Promise<void> => {
    for await (const { kind } of broker.statuses(signal)) {
      if (kind !== "lost" || seen.at(-1) !== kind) seen.push(kind);
    }
  };
  return { seen, ended: run() };
}

/** Every call of every port, each of which has to be refused after the end. */
function everyCall(trial: Trial, { queues, topics, store, log }: Broker, queue: string) {
  const { signal } = trial;
  const calls: Record<string, () => Promise<unknown>> = {
    subscribe: () => topics.subscribe("a.b", () => {}, signal),
    declare: () => queues.declare([queue]),
    remove: () => queues.remove([queue]),
    mailboxes: () => queues.mailboxes(),
    enqueue: () => queues.enqueue(queue, [message("late")]),
    receive: () => collect(queues.receive(queue, { credit: 1, consumer: "late" }, signal)),
    settle: () => queues.settle([{ queue, position: 1, fence: 1, outcome: { kind: "done" } }]),
    track: () => queues.track(queue, 1),
    browse: () => collect(queues.browse(queue, {}, signal)),
    deadLetters: () => collect(queues.deadLetters({}, signal)),
    replay: () => queues.replay([1]),
    purge: () => queues.purge([1]),
  };
  if (store !== undefined) {
    calls["get"] = () => store.get(["key"]);
    calls["put"] = () => store.put([{ key: "key", value: bytes("late") }]);
    calls["list"] = () => collect(store.list("", signal));
    calls["watch"] = () => store.watch("", () => {}, signal);
  }
  if (log !== undefined) {
    calls["append"] = () => log.append("stream", [bytes("late")]);
    calls["read"] = () => collect(log.read("stream", 1, {}, signal));
  }
  return calls;
}

const durabilities = ["none", "process", "os", "replicated", "replicated+fsync"];

const claimCases: readonly ConformanceCase[] = [
  conformanceCase("a broker has the ports that it says it has", async ({ broker }) => {
    const { capabilities, name } = broker;
    assert.ok(name.length > 0, "a name for people");
    assert.equal(broker.store !== undefined, capabilities.store);
    assert.equal(broker.log !== undefined, capabilities.log);
    assert.ok(Number.isSafeInteger(capabilities.frameBytesMax) && capabilities.frameBytesMax > 0);
    assert.ok(["atomic", "outbox"].includes(capabilities.effects));
  }),

  conformanceCase("a broker says how durable it is, and why", async ({ broker }) => {
    const { level, verified, evidence } = broker.capabilities.durability;
    assert.ok(durabilities.includes(level), level);
    assert.equal(typeof verified, "boolean");
    if (level !== "none") assert.ok(Object.keys(evidence).length > 0, "evidence for the claim");
  }),

  conformanceCase("all clients of a broker say the same of it", async (trial) => {
    const other = await trial.connect();
    assert.deepEqual(other.capabilities, trial.broker.capabilities);
  }),
];

const statusCases: readonly ConformanceCase[] = [
  conformanceCase("the present status comes first, and closed is the last", async (trial) => {
    const client = await trial.connect();
    const { seen, ended } = statusesOf(client, trial.signal);
    await trial.eventually("a status", () => seen[0]);
    assert.deepEqual(seen, ["ready"]);
    await client.close();
    await trial.within("the end of the statuses", ended);
    assert.deepEqual(seen, ["ready", "closed"]);
    const late = statusesOf(client, trial.signal);
    await trial.within("the end of the statuses", late.ended);
    assert.deepEqual(late.seen, ["closed"]);
  }),

  conformanceCase("several may follow the statuses, and each may stop", async (trial) => {
    const client = await trial.connect();
    const controller = new AbortController();
    const stops = statusesOf(client, controller.signal);
    const stays = statusesOf(client, trial.signal);
    await trial.eventually("two statuses", () => stops.seen[0] && stays.seen[0]);
    controller.abort();
    await trial.within(
      "the end for one of them",
      stops.ended.catch(() => {}),
    );
    await client.close();
    await trial.within("the end for the other", stays.ended);
    assert.deepEqual(stops.seen, ["ready"]);
    assert.deepEqual(stays.seen, ["ready", "closed"]);
  }),

  conformanceCase(
    "a broken connection is told, and that it is back",
    async (trial) => {
      const client = await trial.connect();
      const { seen } = statusesOf(client, trial.signal);
      await trial.eventually("a status", () => seen[0]);
      await trial.disconnect(client);
      await trial.eventually("lost, then ready", () => (seen.length >= 3 ? true : undefined));
      assert.deepEqual(seen.slice(0, 3), ["ready", "lost", "ready"]);
    },
    { needs: ["disconnect"] },
  ),

  conformanceCase(
    "calls made during a broken connection wait for the next one",
    async (trial) => {
      const queue = await trial.queue();
      const client = await trial.connect();
      const breaking = trial.disconnect(client);
      const positions = Promise.all(
        numbered(20).map((content) => enqueueOne(client, queue, content)),
      );
      await breaking;
      assert.equal(new Set(await trial.within("the outcomes", positions)).size, 20);
      const mailbox = (await client.queues.mailboxes()).find((info) => info.queue === queue);
      assert.equal(mailbox?.waiting, 20);
    },
    { needs: ["disconnect"] },
  ),
];

const closeCases: readonly ConformanceCase[] = [
  conformanceCase("after close every call is refused with CLOSED", async (trial) => {
    const queue = await trial.queue();
    const client = await trial.connect();
    await client.close();
    for (const [name, call] of Object.entries(everyCall(trial, client, queue))) {
      try {
        await assertRejects(trial.within(name, call()), "CLOSED");
      } catch (cause) {
        throw new assert.AssertionError({ message: `${name}: ${(cause as Error).message}` });
      }
    }
  }),

  conformanceCase("closing again, or twice at once, changes nothing", async (trial) => {
    const client = await trial.connect();
    await Promise.all([client.close(), client.close()]);
    await client.close();
    await assertRejects(client.queues.mailboxes(), "CLOSED");
  }),

  conformanceCase("closing one client leaves the others as they are", async (trial) => {
    const queue = await trial.queue();
    const client = await trial.connect();
    await enqueueOne(client, queue, "from the one that leaves");
    await client.close();
    const delivery = await trial.receive(queue).next();
    assert.equal(text(delivery.frame), "from the one that leaves");
    await settleOne(trial.broker, delivery);
    const another = await trial.connect();
    await enqueueOne(another, queue, "from a new one");
  }),

  conformanceCase("closing ends what waits", async (trial) => {
    const queue = await trial.queue();
    const client = await trial.connect();
    const position = await enqueueOne(client, queue, "for ever");
    const receiving = trial.receive(await trial.queue(), { broker: client }).ended;
    const tracking = client.queues.track(queue, position, { wait: true });
    const following = client.log?.read("stream", 1, { follow: true }, trial.signal);
    const waits = [receiving, tracking, following === undefined ? undefined : collect(following)];
    const ends = waits.map((wait) => wait?.then(() => "ended").catch(() => "ended"));
    await trial.quiet();
    await client.close();
    await trial.within("the end of every wait", Promise.all(ends));
    await assertRejects(tracking, "CLOSED");
  }),
];

const restartCases: readonly ConformanceCase[] = (["clean", "crash"] as const).map((how) =>
  conformanceCase(
    `what was acknowledged is there after a ${how} end, and what is done stays done`,
    async (trial) => {
      const queue = await trial.queue();
      const positions = await enqueue(trial.broker, queue, messages(numbered(300)));
      const receiver = trial.receive(queue, { credit: 100 });
      const settled = await receiver.take(100);
      const result = Uint8Array.of(4, 2);
      await settleAll(trial.broker, settled, { kind: "done", result });
      const broker = await trial.restart(how);
      const [first] = settled;
      assert.ok(first);
      const state = await broker.queues.track(queue, first.position);
      assert.ok(state.state === "done", state.state);
      assert.deepEqual([...(state.result ?? [])], [4, 2], "results are kept");
      const rest = await trial.receive(queue, { credit: 300, broker }).take(200);
      const doneBefore = new Set(settled.map(({ position }) => position));
      const left = positions.filter((position) => !doneBefore.has(position));
      assert.deepEqual(
        rest.map(({ position }) => position).toSorted((a, b) => a - b),
        left,
      );
      const [next] = await enqueue(broker, queue, [message("after")]);
      assert.ok((next ?? 0) > Math.max(...positions), "positions are never used twice");
    },
    { needs: ["durability"] },
  ),
);

export const lifecycleCases: readonly ConformanceCase[] = [
  ...claimCases,
  ...statusCases,
  ...closeCases,
  ...restartCases,
];
