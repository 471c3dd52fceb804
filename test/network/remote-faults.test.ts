/** Agents that joined by tcp:// or ws://, while the network between them and the hub breaks. */
import { join, type Network } from "colloquy";
import { systemClock as clock, Hub } from "colloquy/hub";
import { FaultProxy, openMemoryBroker, SeededRandom } from "colloquy/testing";
import { afterEach, expect, test } from "vitest";
import { listenTcp } from "../../src/link/tcp.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { changesOf } from "../support/status-changes.ts";

const clean: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of clean.splice(0).reverse()) await step();
});

/** A worker that comes in directly, and a boss whose way leads through the proxy. */
async function fabric(scheme: "tcp" | "ws") {
  const broker = openMemoryBroker({ clock });
  const hub = new Hub({ broker, clock, id: "hub" });
  const listen = scheme === "tcp" ? listenTcp : listenWebSocket;
  const listener = await listen({ port: 0 }, (link) => hub.accept(link));
  const target = { port: Number(new URL(listener.address.replace(scheme, "http")).port) };
  const proxy = await FaultProxy.open({ target, random: new SeededRandom(5) });
  const there = await join(listener.address, { drainOnSignals: false });
  const here: Network = await join(`${scheme}://127.0.0.1:${proxy.port}`, {
    drainOnSignals: false,
  });
  clean.push(
    () => broker.close(),
    () => hub.close(),
    () => listener.close(),
    () => proxy.close(),
    () => there.close(),
    () => here.close(),
  );
  return { proxy, there, here };
}

const faults: Readonly<Record<string, (proxy: FaultProxy) => void>> = {
  "cut in order": (proxy) => proxy.cut("fin"),
  reset: (proxy) => proxy.cut("reset"),
  "cut into single bytes": (proxy) => {
    proxy.set("to-target", { chunks: "bytes" });
    proxy.set("to-client", { chunks: "bytes" });
  },
};

for (const scheme of ["tcp", "ws"] as const) {
  for (const [name, fault] of Object.entries(faults)) {
    test(`${scheme}: a link ${name} loses nothing and doubles nothing`, async () => {
      const { proxy, there, here } = await fabric(scheme);
      const kinds: string[] = [here.status.kind];
      const watching = new AbortController();
      const watched = (async () => {
        for await (const { kind } of changesOf(here, watching.signal)) kinds.push(kind);
      })();
      const worker = await there.agent("worker");
      const starts: unknown[] = [];
      const begun = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      worker.handle("COUNT", (input) => {
        starts.push(input);
        return input;
      });
      worker.handle("held", async (input) => {
        begun.resolve();
        await release.promise;
        return input;
      });
      worker.handle("tell", async function* (input) {
        for (let chunk = 0; chunk < (input as number); chunk++) yield chunk;
      });
      await worker.ready();
      const boss = await here.agent("boss");
      const news: unknown[] = [];
      await boss.subscribe("news", (data) => {
        news.push(data);
      });
      const held = boss.request("agent:worker", "held", "kept");
      await begun.promise;
      const numbers = Array.from({ length: 30 }, (_, index) => index);
      const sending = numbers.map(async (number) =>
        (await boss.send("agent:worker", "COUNT", number)).settled(),
      );
      const chunks: unknown[] = [];
      for await (const chunk of boss.stream("agent:worker", "tell", 30, { window: 4 })) {
        chunks.push(chunk);
        // Open, with chunks still to come.
        if (chunks.length === 5) fault(proxy);
      }
      expect(chunks).toEqual(numbers);
      const outcomes = await Promise.all(sending);
      expect(outcomes).toEqual(numbers.map((result) => ({ state: "done", result })));
      expect(new Set(starts).size).toBe(starts.length);
      release.resolve();
      expect(await held).toBe("kept");
      await worker.publish("news", "after");
      await expect.poll(() => news).toContain("after");
      const cut = name !== "cut into single bytes";
      expect(proxy.accepted).toBe(cut ? 2 : 1);
      watching.abort();
      await watched;
      expect(kinds.filter((kind) => kind === "lost")).toHaveLength(cut ? 1 : 0);
      expect(kinds.at(-1)).toBe("ready");
    });
  }
}

test("an answer is not called too late that may have been taken before the link broke", async () => {
  const { proxy, there, here } = await fabric("tcp");
  const worker = await there.agent("worker");
  worker.handle("APPROVE", async (_input, { ask }) => await ask("sure?"));
  await worker.ready();
  const boss = await here.agent("boss");
  const receipt = await boss.send("agent:worker", "APPROVE");
  for await (const { state } of receipt.updates()) if (state === "waiting-input") break;
  // So that it has not heard yet that its answer was taken when the link breaks.
  proxy.set("to-client", { stalled: true });
  const unclear = expect(receipt.answer("yes", { number: 1 })).rejects.toMatchObject({
    code: "INDETERMINATE",
  });
  const following = there.track(receipt.id);
  expect(await following.settled()).toEqual({ state: "done", result: "yes" });
  proxy.cut();
  proxy.set("to-client", {});
  await unclear;
  expect(await receipt.answer("yes", { number: 1 })).toBe("too-late");
});
