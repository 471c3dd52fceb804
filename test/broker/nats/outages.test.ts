/** Connections that break and a server that is killed, again and again, while everything goes on. */
import { test as anyTest, expect, onTestFinished, vi } from "vitest";
import type { StoreChange } from "../../../src/broker/broker.ts";
import { type OpenNatsBroker, openNatsBroker } from "../../../src/broker/nats/index.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const test = anyTest.skipIf(missingServer("nats"));
const random = new SeededRandom(7);
/** More than a quick machine takes time for. A slow one comes to the end all the same. */
const breaksMax = 100;
const below = (count: number) => Math.floor(random.float() * count);
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const { signal } = new AbortController();

async function openAll(server: NatsServer, count: number) {
  const proxies: FaultProxy[] = [];
  const brokers: OpenNatsBroker[] = [];
  for (let index = 0; index < count; index++) {
    const proxy = await FaultProxy.open({ target: { port: server.port }, random });
    onTestFinished(() => proxy.close());
    const servers = `nats://127.0.0.1:${proxy.port}`;
    const options = { servers, backoffMinMs: 5, backoffMaxMs: 50, connectTimeoutMs: 1_000 };
    // The time to connect is short for the sake of what breaks, and may be too short now and then.
    const broker = await vi.waitFor(() => openNatsBroker(options), { timeout: 30_000 });
    onTestFinished(() => broker.close());
    proxies.push(proxy);
    brokers.push(broker);
  }
  return { proxies, brokers };
}

async function watch({ store }: OpenNatsBroker): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  const apply = (changes: readonly StoreChange[]) => {
    for (const change of changes) {
      if (change.kind === "reset") state.clear();
      else if (change.kind === "delete") state.delete(change.key);
      else state.set(change.key, text(change.value));
    }
  };
  await store?.watch("", apply, signal);
  return state;
}

test("watchers and followers end up with what is there, however often it breaks", {
  timeout: 60_000,
}, async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const { proxies, brokers } = await openAll(server, 3);
  const states = await Promise.all(brokers.map(watch));
  const followed: string[][] = brokers.map(() => []);
  for (const [index, { log }] of brokers.entries()) {
    void (async () => {
      for await (const entries of log?.read("s", 1, { follow: true }, signal) ?? []) {
        followed[index]?.push(...entries.map(({ position, data }) => `${position} ${text(data)}`));
      }
    })().catch(() => {});
  }
  let isOver = false;
  const breaking = (async () => {
    for (let round = 0; !isOver && round < breaksMax; round++) {
      await new Promise((resolve) => setTimeout(resolve, 20 + below(60)));
      if (round % 8 === 7) {
        await server.kill();
        await server.start();
      } else {
        proxies[below(3)]?.cut("reset");
      }
    }
  })();
  const work = async ({ store, log }: OpenNatsBroker, name: number) => {
    for (let round = 0; round < 60; round++) {
      const key = `k/${below(12)}`;
      const volatile = below(3) === 0;
      const value = bytes(`${name}.${round}`);
      if (below(4) === 0) await store?.put([{ key }]);
      else if (below(3) === 0) {
        await store?.put([
          { key, value, volatile },
          { key: `${key}/more`, value, volatile },
        ]);
      } else await store?.put([{ key, value, volatile }]);
      if (round % 3 === 0) await log?.append("s", [bytes(`${name}.${round}`)]);
      else if (round % 7 === 0) await log?.append("s", [bytes("a"), bytes("b")]);
    }
  };
  await Promise.all(brokers.map(work));
  isOver = true;
  await breaking;

  const [first] = brokers;
  await first?.store?.put([{ key: "end", value: bytes("end") }]);
  await first?.log?.append("s", [bytes("end")]);
  const there = new Map<string, string>();
  for await (const entries of first?.store?.list("", signal) ?? []) {
    for (const { key, value } of entries) there.set(key, text(value));
  }
  const history: string[] = [];
  for await (const entries of first?.log?.read("s", 1, {}, signal) ?? []) {
    history.push(...entries.map(({ position, data }) => `${position} ${text(data)}`));
  }
  for (const state of states) {
    await expect.poll(() => [...state].toSorted()).toEqual([...there].toSorted());
  }
  for (const entries of followed) {
    await expect.poll(() => entries).toEqual(history);
  }
  expect(history.every((entry, index) => entry.startsWith(`${index + 1} `))).toBe(true);
});
