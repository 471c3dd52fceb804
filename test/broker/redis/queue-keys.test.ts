/** How queues lie on the server: readable with its own tools, forgotten in time, and ended when it is full. */

import { createClient } from "@redis/client";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { Broker, Delivery, QueuedMessage } from "../../../src/broker/broker.ts";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
import { library } from "../../../src/broker/redis/library.ts";
import { takeScript } from "../../../src/broker/redis/queues/scripts/take.ts";
import { missingServer } from "../../support/brokers.ts";
import { RedisServer } from "../../support/servers/redis.ts";

const dayMs = 86_400_000;

describe.skipIf(missingServer("redis"))("on a real server", async () => {
  if (missingServer("redis")) return;
  const server = await RedisServer.start();
  const client = createClient({ url: server.url });
  client.on("error", () => {});
  await client.connect();
  const ask = (...parts: string[]) => client.sendCommand(parts) as Promise<unknown>;
  let places = 0;
  const openPlace = async (leaseMs = 10_000) => {
    const prefix = `keys-${++places}`;
    const broker = await openRedisBroker({ url: server.url, prefix, leaseMs });
    await broker.queues.declare(["type:mail"]);
    return { broker, key: (part: string) => `{${prefix}}:q:${part}` };
  };
  afterAll(async () => {
    client.destroy();
    await server.remove();
  });

  test("a receiver that has settled has room again without asking", async () => {
    const { broker, key } = await openPlace();
    const rooms = () => ask("HVALS", key("waiting:type:mail"));
    const leaving = new AbortController();
    const options = { credit: 2, consumer: "test" };
    const received = broker.queues.receive("type:mail", options, leaving.signal);
    const receiver = received[Symbol.asyncIterator]();
    await broker.queues.enqueue("type:mail", [message("one"), message("two")]);
    const deliveries: Delivery[] = [];
    while (deliveries.length < 2) deliveries.push(...((await receiver.next()).value ?? []));
    expect(await rooms()).toEqual(["1 0"]);
    for (const [index, { queue, position, fence }] of deliveries.entries()) {
      await broker.queues.settle([{ queue, position, fence, outcome: { kind: "done" } }]);
      expect(await rooms()).toEqual([`1 ${index + 1}`]);
    }
    await broker.queues.enqueue("type:mail", [message("three")]);
    expect((await receiver.next()).value).toHaveLength(1);
    expect(await rooms()).toEqual(["1 1"]);
    leaving.abort();
    await broker.close();
  });

  test("what a receiver was offered takes up its room before it has heard of it", async () => {
    const { broker, key } = await openPlace();
    const { queues } = broker;
    const leaving = new AbortController();
    const options = { credit: 2, consumer: "test" };
    const receiver = queues.receive("type:mail", options, leaving.signal)[Symbol.asyncIterator]();
    await queues.enqueue("type:mail", [message("one")]);
    await receiver.next();
    await queues.enqueue("type:mail", [message("two"), message("three")]);
    const held = () => ask("HLEN", key("held:type:mail"));
    expect(await held()).toBe(2);
    const [id = ""] = (await ask("HKEYS", key("receiving:type:mail"))) as string[];
    // As it asks when the second was on its way to it.
    const offers = Number(await ask("HGET", key("pushed:type:mail"), id));
    const parameters = ["type:mail", id, "1", "1", "1000", String(offers - 1)];
    const take = ["FCALL", library.functionOf(takeScript), "1", key("x"), ...parameters];
    expect(await ask(...take)).toEqual([1, -1, "0"]);
    expect(await held()).toBe(2);
    leaving.abort();
    await broker.close();
  });

  test("a message is an entry of a stream with its routing beside the frame, and named while it is held", async () => {
    const { broker, key } = await openPlace();
    const sent = { ...message("hello"), lane: 1, key: "k", expiresAtMs: 4e12 } as const;
    const [stored] = await broker.queues.enqueue("type:mail", [sent]);
    expect(stored).toMatchObject({ kind: "stored", position: 1 });
    const fields = ["frame", "hello", "id", sent.id];
    const routing = ["key", "k", "expires", "4000000000000"];
    const entry = ["1-0", [...fields, "from", expect.any(String), ...routing]];
    expect(await ask("XRANGE", key("lane1:type:mail"), "-", "+")).toEqual([entry]);
    const held = await receive(broker);
    const holds = await ask("HVALS", key("held:type:mail"));
    expect(holds).toEqual([expect.stringMatching(/^1 1 \S+\.1 0 \S+ =k$/)]);
    await held.settle();
    expect(await ask("XLEN", key("lane1:type:mail"))).toBe(0);
    await broker.close();
  });

  test("nothing is left of messages that are done, but for what counts on", async () => {
    const { broker, key } = await openPlace();
    const origin = (sequence: number) => ({ incarnation: "a", sequence, repeatsFrom: sequence });
    for (let sequence = 1; sequence <= 20; sequence++) {
      const sent = { ...message("x"), key: `key ${sequence}`, origin: origin(sequence) };
      await broker.queues.enqueue("type:mail", [sent]);
      await (await receive(broker)).settle();
    }
    await broker.close();
    const left = async () =>
      ((await ask("KEYS", `${key("*").replace(/[{}]/g, "?")}`)) as string[]).toSorted();
    // Whoever closes does not wait for a server that stands still to have heard of it.
    const kept = ["count", "info:type:mail", "lane2:type:mail", "names", "sender:a"];
    await expect.poll(left).toEqual(kept.map(key));
    // The last sequence, which may still be repeated, from where, the highest, and when that was kept for a day.
    expect(await ask("HLEN", key("sender:a"))).toBe(4);
    expect(await ask("PTTL", key("sender:a"))).toBeGreaterThan(dayMs);
  });

  test("what was sent before is known again for a day", async () => {
    const { broker, key } = await openPlace();
    const origin = { incarnation: "a", sequence: 1, repeatsFrom: 1 };
    const sent = { ...message("x"), id: "one", guarantee: "exactly-once", origin } as const;
    await broker.queues.enqueue("type:mail", [sent]);
    for (const part of ["ids:3:one:type:mail", "sender:a"]) {
      expect([part, (await ask("PTTL", key(part))) as number]).toEqual([
        part,
        expect.toSatisfy((leftMs: number) => leftMs > dayMs - 600_000),
      ]);
    }
    await broker.close();
  });

  test("how messages ended is forgotten after a day, and then of older ones nobody knows", async () => {
    const { broker, key } = await openPlace(300);
    const { queues } = broker;
    await queues.enqueue("type:mail", [message("a"), message("b"), message("c")]);
    await (await receive(broker)).settle();
    await (await receive(broker)).settle(Buffer.from("result"));
    await (await receive(broker)).settle(Buffer.from("late"));
    expect(await queues.track("type:mail", 2)).toMatchObject({ state: "done" });
    await ask("ZADD", key("endtimes:type:mail"), String(Date.now() - 2 * dayMs), "2");
    // Those who receive look after it.
    const ending = new AbortController();
    const receiving = queues.receive("type:mail", { credit: 1, consumer: "idle" }, ending.signal);
    const idle = receiving[Symbol.asyncIterator]().next();
    await vi.waitFor(async () => {
      expect(await queues.track("type:mail", 2)).toEqual({ state: "unknown" });
    }, 20_000);
    expect(await queues.track("type:mail", 1)).toEqual({ state: "unknown" });
    expect(await queues.track("type:mail", 3)).toMatchObject({ state: "done" });
    ending.abort();
    await idle;
    await broker.close();
  });

  test("what waited for longer than ends are kept is known when it is done", async () => {
    const { broker, key } = await openPlace(300);
    const { queues } = broker;
    const [first] = await queues.enqueue("type:mail", [{ ...message("a"), key: "k" }]);
    const waiting = await receive(broker);
    await queues.enqueue("type:mail", [message("b")]);
    await (await receive(broker)).settle(Buffer.from("result"));
    await ask("ZADD", key("endtimes:type:mail"), String(Date.now() - 2 * dayMs), "2");
    await vi.waitFor(async () => {
      expect(await queues.track("type:mail", 2)).toEqual({ state: "unknown" });
    }, 20_000);
    expect(first).toMatchObject({ kind: "stored", position: 1 });
    await waiting.settle();
    expect(await queues.track("type:mail", 1)).toEqual({ state: "done" });
    await broker.close();
  });

  test("who is slow to look at what it is offered is offered no more, whatever its credit", async () => {
    const { broker } = await openPlace();
    const { queues } = broker;
    const leaving = new AbortController();
    const options = { credit: 100, consumer: "slow" };
    const received = queues.receive("type:mail", options, leaving.signal);
    const reader = received[Symbol.asyncIterator]();
    await queues.enqueue("type:mail", [message("first")]);
    const first = await reader.next();
    for (let count = 0; count < 20; count++) {
      await queues.enqueue("type:mail", [{ ...message("large"), frame: Buffer.alloc(2 ** 20) }]);
    }
    const [mailbox] = await queues.mailboxes();
    expect(mailbox?.offered).toBeLessThan(10);
    let came = first.value?.length ?? 0;
    while (came < 21) came += (await reader.next()).value?.length ?? 0;
    leaving.abort();
    await broker.close();
  });

  test("a full server refuses what is sent, and lets end what is there", async () => {
    const { broker } = await openPlace();
    const { queues } = broker;
    await queues.enqueue("type:mail", [message("a"), message("b"), message("c")]);
    await ask("CONFIG", "SET", "maxmemory", "1");
    try {
      const [refused] = await queues.enqueue("type:mail", [message("d")]);
      expect(refused).toMatchObject({ kind: "rejected", error: { code: "QUEUE_FULL" } });
      const first = await receive(broker);
      expect(await first.settle(Buffer.from("result"))).toEqual({ kind: "settled" });
      expect(await queues.cancel("type:mail", 2)).toBe("cancelled");
      const last = await receive(broker);
      const retry = { kind: "retry", delayMs: 0, error: planted } as const;
      expect(await queues.settle([{ ...last.delivery, outcome: retry }])).toEqual([
        { kind: "settled" },
      ]);
      const again = await last.next();
      expect(again.attempts.failures).toBe(1);
      const done = { ...again, outcome: { kind: "done" } } as const;
      expect(await queues.settle([done])).toEqual([{ kind: "settled" }]);
      expect(await last.settle()).toEqual({ kind: "stale" });
    } finally {
      await ask("CONFIG", "SET", "maxmemory", "0");
    }
    const [stored] = await queues.enqueue("type:mail", [message("e")]);
    expect(stored?.kind).toBe("stored");
    await broker.close();
  });
});

const planted = { code: "HANDLER_FAILED", message: "planted", retryable: false } as const;
let messages = 0;

function message(content: string): QueuedMessage {
  const frame = new TextEncoder().encode(content);
  return { frame, lane: 2, guarantee: "at-least-once", id: `id ${++messages}` };
}

/** The next delivery, to a receiver of its own. */
async function receive({ queues }: Broker): Promise<{
  readonly delivery: Delivery;
  readonly next: () => Promise<Delivery>;
  /** Then its receiver leaves. */
  readonly settle: (result?: Uint8Array) => Promise<unknown>;
}> {
  const options = { credit: 1, consumer: "test" };
  const receiver = queues.receive("type:mail", options, new AbortController().signal);
  const iterator = receiver[Symbol.asyncIterator]();
  const next = async (): Promise<Delivery> => {
    const { value } = await iterator.next();
    const [delivery] = (value ?? []) as readonly Delivery[];
    if (delivery === undefined) throw new Error("nothing came");
    return delivery;
  };
  const delivery = await next();
  return {
    delivery,
    next,
    settle: async (result) => {
      const outcome = result === undefined ? { kind: "done" } : { kind: "done", result };
      const [settled] = await queues.settle([
        { ...delivery, outcome: outcome as { kind: "done" } },
      ]);
      await iterator.return?.();
      return settled;
    },
  };
}
