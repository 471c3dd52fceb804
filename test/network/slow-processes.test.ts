/** A process that reads too slowly for what is sent to it, behind real sockets. */
import { setImmediate } from "node:timers/promises";
import { isColloquyError, join } from "colloquy";
import { systemClock as clock, Hub } from "colloquy/hub";
import { FaultProxy, openMemoryBroker, SeededRandom } from "colloquy/testing";
import { afterEach, expect, test } from "vitest";
import { listenTcp } from "../../src/link/tcp.ts";

const clean: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of clean.splice(0).reverse()) await step();
});

/** A boss and a quick process that come in directly, and a slow one whose way leads through the proxy. */
async function fabric() {
  const broker = openMemoryBroker({ clock });
  const limits = { liveBacklogBytesMax: 64 * 1024 };
  const hub = new Hub({ broker, clock, id: "hub", limits });
  const listener = await listenTcp({ port: 0 }, (link) => hub.accept(link));
  const target = { port: Number(new URL(listener.address).port) };
  const proxy = await FaultProxy.open({ target, random: new SeededRandom(5) });
  const options = { drainOnSignals: false, drainMs: 1 };
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
  return { proxy, boss, quick, slow };
}

test("a request that its hub drops because the process is slow is refused at once, and was not started", async () => {
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
  const load = Uint8Array.from({ length: 500_000 }, () => Math.random() * 256);
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
      if (!giveUp.signal.aborted) refused.set(number, error);
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
