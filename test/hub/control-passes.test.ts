/** What is small and urgent passes what waits on a saturated link: seen by the order in which frames come. */
import { systemClock as clock, Hub, type HubOptions } from "colloquy/hub";
import { FaultProxy, openMemoryBroker, SeededRandom } from "colloquy/testing";
import { afterEach, expect, test } from "vitest";
import type { Broker, QueuedMessage } from "../../src/broker/broker.ts";
import { writeAwait } from "../../src/broker/hub/operations/await.ts";
import { writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import { writeReceive } from "../../src/broker/hub/operations/receive.ts";
import { writePublish, writeSubscribe } from "../../src/broker/hub/operations/topics.ts";
import { type HubBroker, openHubBroker } from "../../src/broker/hub.ts";
import { connectTcp, listenTcp } from "../../src/link/tcp.ts";
import { type Frame, frameFlags, frameTypes } from "../../src/message/frame.ts";
import { RawClient } from "./support/raw-client.ts";

const never = new AbortController().signal;
const clean: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of clean.splice(0).reverse()) await step();
});

/** @param told - of what the hub's sessions do, in order. */
async function fabric(told: (what: string) => void = () => {}, options: Partial<HubOptions> = {}) {
  const random = new SeededRandom(3);
  const broker = openMemoryBroker({ clock });
  const connect = (name?: string) => telling(broker.connect(name), told);
  const hub = new Hub({ broker: { ...broker, connect }, clock, id: "hub", ...options });
  const listener = await listenTcp({ port: 0 }, (link) => hub.accept(link));
  const port = Number(new URL(listener.address).port);
  const proxy = await FaultProxy.open({ target: { port }, random });
  const client = async (name: string, at: number): Promise<HubBroker> => {
    const open = connectTcp({ host: "127.0.0.1", port: at });
    const opened = await openHubBroker({ connect: open, clock, random, name });
    clean.push(() => opened.close());
    return opened;
  };
  clean.push(
    () => broker.close(),
    () => hub.close(),
    () => listener.close(),
    () => proxy.close(),
  );
  return { proxy, port, client };
}

function telling(broker: Broker, told: (what: string) => void): Broker {
  const { queues, topics, store } = broker;
  return {
    ...broker,
    statuses: (signal) => broker.statuses(signal),
    close: () => broker.close(),
    topics: {
      ...topics,
      publish: (publications) => {
        for (const { control } of publications) told(control === true ? "control" : "publish");
        topics.publish(publications);
      },
    },
    queues: {
      ...queues,
      enqueue: (queue, messages) => {
        for (const _ of messages) told("enqueue");
        return queues.enqueue(queue, messages);
      },
      cancel: (queue, position, how) => {
        told("cancel");
        return queues.cancel(queue, position, how);
      },
      track: (queue, position, how) => {
        told("track");
        return queues.track(queue, position, how);
      },
    },
    store: store && {
      ...store,
      put: (writes, signal) => {
        told("put");
        return store.put(writes, signal);
      },
    },
  };
}

function message(frame: Uint8Array): QueuedMessage {
  return { frame, lane: 2, guarantee: "at-least-once", id: "" };
}

const load = new Uint8Array(100_000);

test("G18: to a client that does not read: an answer to its heartbeat, a cancel and a control message pass the data that waits", async () => {
  const { proxy, port, client } = await fabric();
  const boss = await client("boss", port);
  await boss.queues.declare(["jobs"]);
  const link = await connectTcp({ host: "127.0.0.1", port: proxy.port })(never);
  const slow = new RawClient(link);
  clean.push(() => link.close());
  await slow.greet();
  slow.write((writer) => {
    writeSubscribe(writer, 1, "news");
    const receive = { receiver: 1, queue: "jobs", credit: 1, consumer: "slow", claims: [] };
    writeReceive(writer, { ...receive, hearsNotices: true });
  });
  await slow.until(frameTypes.SUBSCRIBED);
  const [stored] = await boss.queues.enqueue("jobs", [message(Uint8Array.of(1))]);
  const position = stored?.kind === "stored" ? stored.position : -1;
  await slow.until(frameTypes.DELIVER);
  const seen = Promise.withResolvers<void>();
  await boss.topics.subscribe("seen", () => seen.resolve(), never);

  proxy.set("to-client", { stalled: true });
  // Until so much waits at the hub that it takes no more for this client.
  let full = false;
  let published = 0;
  while (!full) {
    const onUnheard = () => {
      full = true;
    };
    boss.topics.publish([{ topic: "news", frame: load, onUnheard }]);
    published++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  boss.topics.publish([{ topic: "news", frame: Uint8Array.of(2), control: true }]);
  expect(await boss.queues.cancel("jobs", position)).toBe("cancelled");
  slow.write((writer) => {
    writeNumbered(writer, frameTypes.PING, 7);
    writePublish(writer, 1, "seen", Uint8Array.of(3), true);
  });
  // And with it the PING, which came by the same link.
  await seen.promise;
  proxy.set("to-client", {});

  await slow.until(frameTypes.DROPPED);
  const last = slow.frames.findLastIndex(isData);
  const behind = (found: (frame: Frame) => boolean) => {
    const at = slow.frames.findIndex(found);
    expect(at).toBeGreaterThan(0);
    return slow.frames.slice(at, last + 1).filter(isData).length;
  };
  // 4 MiB wait at the hub, 40 of these.
  expect(published).toBeGreaterThan(40);
  expect(behind((frame) => frame.type === frameTypes.PUBLISH && !isData(frame))).toBeGreaterThan(
    35,
  );
  expect(behind((frame) => frame.type === frameTypes.NOTICE)).toBeGreaterThan(35);
  expect(behind((frame) => frame.type === frameTypes.PONG)).toBeGreaterThan(35);
});

function isData({ type, flags }: Frame): boolean {
  return type === frameTypes.PUBLISH && (flags & frameFlags.CONTROL) === 0;
}

test("G18: from a client whose link is full: a cancel, a control message and a sign of life pass the messages that wait", async () => {
  const told: string[] = [];
  const { proxy, client } = await fabric((what) => told.push(what));
  const busy = await client("busy", proxy.port);
  await busy.queues.declare(["jobs"]);
  const [stored] = await busy.queues.enqueue("jobs", [message(Uint8Array.of(1))]);
  const position = stored?.kind === "stored" ? stored.position : -1;

  proxy.set("to-target", { stalled: true });
  told.length = 0;
  // More than the sockets between take.
  const sending = Array.from({ length: 200 }, () => busy.queues.enqueue("jobs", [message(load)]));
  busy.topics.publish([{ topic: "news", frame: load }]);
  busy.topics.publish([{ topic: "news", frame: load, control: true }]);
  const sign = { key: "here", value: load, ttlMs: 5_000, volatile: true, bound: true };
  const signing = busy.store?.put([sign]);
  const cancelling = busy.queues.cancel("jobs", position);
  proxy.set("to-target", {});
  expect(await cancelling).toBe("cancelled");
  await signing;
  await Promise.all(sending);
  const behind = (what: string) =>
    told.slice(told.indexOf(what)).filter((it) => it === "enqueue").length;
  expect(told.filter((what) => what === "enqueue")).toHaveLength(200);
  for (const what of ["control", "cancel", "put"]) {
    expect(told).toContain(what);
    expect(behind(what)).toBeGreaterThan(50);
  }
  expect(behind("publish")).toBe(0);
});

test("G18: one chunk that asks after hundreds of thousands of messages leaves others their turn", async () => {
  let asked = 0;
  let most = 0;
  const { port, client } = await fabric((what) => {
    if (what === "track") asked++;
  });
  const boss = await client("boss", port);
  await boss.queues.declare(["jobs"]);
  const link = await connectTcp({ host: "127.0.0.1", port })(never);
  const greedy = new RawClient(link);
  clean.push(async () => link.destroy());
  await greedy.greet();
  const total = 100_000;
  const turns = { seen: 0, over: false };
  const look = (): void => {
    most = Math.max(most, asked - turns.seen);
    turns.seen = asked;
    if (!turns.over) setImmediate(look);
  };
  look();
  greedy.write((writer) => {
    const awaited = Array.from({ length: total }, (_, index) => ({
      number: index + 1,
      position: index + 1,
    }));
    writeAwait(writer, "jobs", awaited);
    // In order behind all of them.
    writeNumbered(writer, frameTypes.PING, 7);
  });
  await greedy.until(frameTypes.PONG);
  turns.over = true;
  expect(asked).toBe(total);
  // What is left of a turn's share, and one frame.
  expect(most).toBeLessThanOrEqual(2 * 4_096);
});
