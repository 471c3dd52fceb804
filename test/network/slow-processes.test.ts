/** A process that reads too slowly for what is sent to it, behind real sockets. */
import { randomBytes as randomBuffer } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { isColloquyError, join } from "colloquy";
import { systemClock as clock, Hub, type HubOptions } from "colloquy/hub";
import { FaultProxy, openMemoryBroker, SeededRandom } from "colloquy/testing";
import { afterEach, expect, test } from "vitest";
import { listenTcp } from "../../src/link/tcp.ts";

/** What compresses to nothing less. */
function randomBytes(length: number): Uint8Array {
  return new Uint8Array(randomBuffer(length));
}

const clean: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of clean.splice(0).reverse()) await step();
});

/** A boss and a quick process that come in directly, and a slow one whose way leads through the proxy. */
async function fabric(more: Partial<HubOptions> = {}) {
  const broker = openMemoryBroker({ clock });
  const limits = { liveBacklogBytesMax: 64 * 1024 };
  const hub = new Hub({ broker, clock, id: "hub", limits, ...more });
  const listener = await listenTcp({ port: 0 }, (link) => hub.accept(link));
  const target = { port: Number(new URL(listener.address).port) };
  const proxy = await FaultProxy.open({ target, random: new SeededRandom(5) });
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const compression = { algorithm: "none" } as const;
  const options = { drainOnSignals: false, drainMs: 1, onError, compression };
  const boss = await join(listener.address, options);
  const quick = await join(listener.address, options);
  const slow = await join(`tcp://127.0.0.1:${proxy.port}`, options);
  clean.push(
    () => broker.close(),
    () => hub.close(),
    () => listener.close(),
    () => proxy.close(),
    () => Promise.all([boss, quick, slow].map((net) => net.close())),
  );
  return { proxy, boss, quick, slow, errors };
}

test("G18: a request that its hub drops because the process is slow is refused at once, and was not started", async () => {
  const { proxy, boss, quick, slow } = await fabric();
  const started = new Set<number>();
  for (const [id, net] of Object.entries({ quick, slow })) {
    const worker = await net.agent(id, { type: "worker" });
    worker.handle("weigh", (input) => {
      const { number, load } = input as { number: number; load: Uint8Array };
      started.add(number);
      return [id, load.length];
    });
    await worker.ready();
  }
  const asker = await boss.agent("asker");
  await boss.waitFor({ type: "worker" }, { count: 2 });
  const load = randomBytes(500_000);
  let sent = 0;
  const weigh = (to: "agent:slow" | "type:worker", signal?: AbortSignal) =>
    asker.request(
      to,
      "weigh",
      { number: ++sent, load },
      { timeoutMs: 60_000, retry: false, ...(signal === undefined ? {} : { signal }) },
    );

  proxy.set("to-client", { stalled: true });
  const giveUp = new AbortController();
  const refused = new Map<number, unknown>();
  // As much as the sockets between take, and then what the hub keeps.
  while (refused.size < 2) {
    weigh("agent:slow", giveUp.signal).catch((error: unknown) => {
      // Those that are on their way may time out meanwhile.
      if (!isColloquyError(error, "TIMEOUT") && !giveUp.signal.aborted) refused.set(number, error);
    });
    const number = sent;
    await setImmediate();
  }
  for (const error of refused.values()) {
    expect(error).toMatchObject({
      code: "QUEUE_FULL",
      retryable: true,
      details: { agent: "slow", outcome: "not-started" },
    });
  }
  // One of many goes to another instead.
  for (let round = 0; round < 4; round++) {
    expect(await weigh("type:worker")).toEqual(["quick", load.length]);
  }

  giveUp.abort();
  proxy.set("to-client", {});
  const last = async () => {
    for (;;) {
      try {
        return await weigh("agent:slow");
      } catch (error) {
        // Until it has read some of what waits.
        if (!isColloquyError(error, "QUEUE_FULL")) throw error;
      }
    }
  };
  expect(await last()).toEqual(["slow", load.length]);
  expect([...refused.keys()].filter((number) => started.has(number))).toEqual([]);
});

test("G18: a slow subscriber is told how many of its own messages it has lost, and the others lose none", async () => {
  const { proxy, boss, quick, slow } = await fabric();
  const heard = { quick: 0, slow: 0 };
  let lost = 0;
  const total = 60;
  const hearing = await quick.agent("hearing");
  await hearing.subscribe("news", () => void heard.quick++, {
    onDropped: () => expect.fail("it was quick"),
  });
  const lagging = await slow.agent("lagging");
  const told = Promise.withResolvers<void>();
  const look = () => {
    if (heard.slow + lost === total) told.resolve();
  };
  const hear = () => {
    heard.slow++;
    look();
  };
  await lagging.subscribe("news", hear, {
    onDropped: (dropped) => {
      lost += dropped;
      look();
    },
  });
  await lagging.subscribe("other", () => {}, {
    onDropped: () => expect.fail("nothing of this was lost"),
  });
  const teller = await boss.agent("teller");
  const load = randomBytes(500_000);
  proxy.set("to-client", { stalled: true });
  for (let published = 1; published <= total; published++) {
    await teller.publish("news", load);
    // So that it is quick, however the sockets between fare.
    while (heard.quick < published) await setImmediate();
  }
  // Nothing more is published: it is told all the same.
  proxy.set("to-client", {});
  await told.promise;
  expect(lost).toBeGreaterThan(0);
  expect(slow.counters.dropped).toBe(lost);
  expect(quick.counters.dropped).toBe(0);
});

test("a subscription or watcher that is not allowed any more after a reconnect ends with the reason", async () => {
  let allowed = true;
  const authorise: HubOptions["authorise"] = (_identity, _action, subject) =>
    allowed || !/secret/.test(subject);
  const { proxy, boss, slow, errors } = await fabric({ authorise });
  const agent = await slow.agent("curious");
  const heard: unknown[] = [];
  const subscription = await agent.subscribe("secret.plans", (data) => void heard.push(data));
  const open = await agent.subscribe("public", (data) => void heard.push(data));
  await slow.store.watch("secret", () => {}, new AbortController().signal);
  allowed = false;
  proxy.cut();
  expect(await subscription.closed).toMatchObject({ code: "FORBIDDEN" });

  const teller = await boss.agent("teller");
  const again = Promise.withResolvers<void>();
  await agent.subscribe("public", () => again.resolve());
  await teller.publish("secret.plans", "no");
  await teller.publish("public", "yes");
  await again.promise;
  expect(heard).toEqual(["yes"]);
  open.close();
  expect(await open.closed).toBeUndefined();
  expect(errors).toMatchObject([
    { code: "FORBIDDEN", details: { action: "subscribe", subject: "secret.plans" } },
    { code: "FORBIDDEN", details: { action: "watch", subject: "store/secret" } },
  ]);
});

test("G18: subscriptions of all clients together have a limit, and what is above it is refused", async () => {
  const { boss, quick } = await fabric({ limits: { subscriptionsMax: 5 } });
  // Each of the three processes has its inbox.
  const one = await (await boss.agent("one")).subscribe("a", () => {});
  const other = await quick.agent("other");
  await other.subscribe("b", () => {});
  await expect(other.subscribe("c", () => {})).rejects.toMatchObject({
    code: "QUEUE_FULL",
    details: { field: "subscriptions", limit: 5 },
  });
  one.close();
  for (let refused = true; refused; ) {
    await other
      .subscribe("c", () => {})
      .then(
        () => {
          refused = false;
        },
        (error: unknown) => expect(error).toMatchObject({ code: "QUEUE_FULL" }),
      );
  }
});

test("G18: a process whose own link is full is refused what it publishes and calls beyond its limits", async () => {
  const { proxy } = await fabric();
  const connection = { waitingBytesMax: 2 ** 20, callBytesMax: 2 ** 20 };
  const net = await join(`tcp://127.0.0.1:${proxy.port}`, {
    drainOnSignals: false,
    limits: { connection },
    compression: { algorithm: "none" },
  });
  clean.push(() => net.close());
  const agent = await net.agent("eager");
  await agent.subscribe("echo", () => {});
  const load = randomBytes(500_000);
  proxy.set("to-target", { stalled: true });
  let refusal: unknown;
  while (refusal === undefined) {
    await agent.publish("news", load).catch((error: unknown) => {
      refusal = error;
    });
    await setImmediate();
  }
  expect(refusal).toMatchObject({ code: "QUEUE_FULL", details: { topic: "news" } });
  const puts = [1, 2, 3].map((number) => net.store.put(`key-${number}`, load));
  await expect(puts[2]).rejects.toMatchObject({
    code: "QUEUE_FULL",
    details: { limit: "callBytesMax", value: 2 ** 20 },
  });
  proxy.set("to-target", {});
  await Promise.all(puts.slice(0, 2));
  await agent.publish("news", load);
});

test("G18: what is published within one turn beyond what may wait in a process is lost, counted and told", async () => {
  const net = await join("memory:", { drainOnSignals: false });
  clean.push(() => net.close());
  const agent = await net.agent("loud");
  let heard = 0;
  let dropped = 0;
  await agent.subscribe("noise", () => void heard++, {
    onDropped: (count) => {
      dropped += count;
    },
  });
  const told = Array.from({ length: 262_144 + 5 }, () => agent.publish("noise", 1));
  await Promise.all(told);
  await setImmediate();
  expect([heard, dropped, net.counters.dropped]).toEqual([262_144, 5, 5]);
  await agent.publish("noise", 2);
  await setImmediate();
  expect(heard).toBe(262_145);
});
