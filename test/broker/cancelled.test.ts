/** Whatever waits for a server that has fallen silent can be given up. */
import { expect, onTestFinished, test } from "vitest";
import type { Broker, QueuedMessage } from "../../src/broker/broker.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { FaultProxy } from "../../src/testing/index.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import { openAt } from "../support/servers/servers.ts";

const timeout = 60_000;
const bytes = Uint8Array.of(1);
const message: QueuedMessage = { frame: bytes, lane: 2, guarantee: "at-least-once", id: "m" };
const options = { credit: 1, consumer: "c" };

async function first(items: AsyncIterable<unknown> | undefined): Promise<unknown> {
  for await (const item of items ?? []) return item;
  return undefined;
}

/** What rejects when it is given up. */
function calls({ queues, store, log, topics }: Broker, signal: AbortSignal) {
  return {
    declare: () => queues.declare(["other"], signal),
    remove: () => queues.remove(["other"], signal),
    mailboxes: () => queues.mailboxes(signal),
    enqueue: () => queues.enqueue("q", [message], signal),
    cancel: () => queues.cancel("q", 1, { signal }),
    withdraw: () => queues.cancel("q", 1, { ifUnstarted: true, signal }),
    answer: () => queues.answer("q", 1, { number: 1, data: bytes }, signal),
    track: () => queues.track("q", 1, { signal }),
    wait: () => queues.track("q", 1, { wait: true, signal }),
    follow: () => queues.track("q", 1, { wait: true, onChange: () => {}, signal }),
    browse: () => first(queues.browse("q", {}, signal)),
    deadLetters: () => first(queues.deadLetters({}, signal)),
    replay: () => queues.replay([1], signal),
    purge: () => queues.purge([1], signal),
    get: async () => store?.get(["k"], signal),
    put: async () => store?.put([{ key: "k", value: bytes }], signal),
    list: () => first(store?.list("", signal)),
    watch: async () => store?.watch("", () => {}, signal),
    append: async () => log?.append("s", [bytes], undefined, signal),
    read: () => first(log?.read("s", 1, {}, signal)),
    subscribe: () => topics.subscribe("a.>", () => {}, signal),
  };
}

/** What ends then. */
function loops({ queues, log }: Broker, signal: AbortSignal) {
  return {
    receive: () => first(queues.receive("q", options, signal)),
    follow: () => first(log?.read("s", 1, { follow: true }, signal)),
  };
}

overEachServer((server) => {
  for (const state of ["silent", "gone"] as const) {
    test(`everything that waits for a server that is ${state} can be given up`, {
      timeout,
    }, async () => {
      const there = await server();
      const proxy = await FaultProxy.open({
        target: { port: there.port },
        random: systemRandom,
      });
      const broker = await openAt(there.placeUrl(`cancelled-${state}`, 10_000, proxy.port));
      onTestFinished(async () => {
        await broker.close();
        await proxy.close();
      });
      await broker.queues.declare(["q"]);
      if (state === "silent") proxy.set("to-client", { blackHole: true });
      else {
        proxy.admission = "refuse";
        proxy.cut();
        await expect.poll(() => proxy.connections).toBe(0);
      }
      const giving = new AbortController();
      // Another of each goes on waiting: nobody has to wait for that one.
      const staying = new AbortController();
      onTestFinished(() => staying.abort());
      for (const call of Object.values(calls(broker, staying.signal))) call().catch(() => {});
      const waiting = Object.entries(calls(broker, giving.signal)).map(
        ([name, call]) => [name, call().then(() => "answered", codeOf)] as const,
      );
      const ending = Object.entries(loops(broker, giving.signal)).map(
        ([name, loop]) => [name, loop().then(() => "ended", codeOf)] as const,
      );
      // All of them are on their way.
      await new Promise((resolve) => setTimeout(resolve, 50));
      giving.abort();
      const late = new Promise<string>((resolve) => setTimeout(() => resolve("waits"), 10_000));
      for (const [name, outcome] of waiting) {
        expect([name, await Promise.race([outcome, late])]).toEqual([name, "CANCELLED"]);
      }
      for (const [name, outcome] of ending) {
        expect([name, await Promise.race([outcome, late])]).toEqual([name, "ended"]);
      }
    });
  }
});

function codeOf(error: unknown): string {
  return String((error as { code?: string }).code ?? error);
}
