/** How queues lie on the server: readable with its own tools, forgotten in time, and ended when it is full. */

import { createClient } from "@redis/client";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { Broker, Delivery, QueuedMessage } from "../../../src/broker/broker.ts";
import { openRedisBroker } from "../../../src/broker/redis/index.ts";
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

  test("a message is an entry of a stream with its routing beside the frame, and pending while it is held", async () => {
    const { broker, key } = await openPlace();
    const sent = { ...message("hello"), lane: 1, key: "k", expiresAtMs: 4e12 } as const;
    const [stored] = await broker.queues.enqueue("type:mail", [sent]);
    expect(stored).toMatchObject({ kind: "stored", position: 1 });
    const fields = ["frame", "hello", "id", sent.id, "guarantee", "at-least-once"];
    const routing = ["key", "k", "expires", "4000000000000"];
    const entry = ["1-0", [...fields, "from", expect.any(String), ...routing]];
    expect(await ask("XRANGE", key("lane1:type:mail"), "-", "+")).toEqual([entry]);
    const held = await receive(broker);
    const pending = (await ask("XPENDING", key("lane1:type:mail"), "colloquy")) as unknown[];
    expect(pending.slice(0, 3)).toEqual([1, "1-0", "1-0"]);
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
    const left = (await ask("KEYS", `${key("*").replace(/[{}]/g, "?")}`)) as string[];
    expect(left.toSorted()).toEqual(
      ["count", "info:type:mail", "lane2:type:mail", "names", "sender:a"].map(key),
    );
    // The last sequence, which may still be repeated, from where, and the highest.
    expect(await ask("HLEN", key("sender:a"))).toBe(3);
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
